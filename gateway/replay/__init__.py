"""Replay: recorded decisions made again, under the rules of their day or under others."""
