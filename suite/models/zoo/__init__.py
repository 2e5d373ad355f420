"""The embedded zoo: small base models that the project trains itself, each by a recipe that can be run
again.
"""
