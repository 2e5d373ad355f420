"""SCAN: navigation commands and the action sequences they stand for."""
