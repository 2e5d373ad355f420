"""GeoQuery in FunQL: its programs, generated databases, and when two programs mean the same."""
