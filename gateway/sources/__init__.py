"""Fact sources: whom the gateway asks for facts that nobody else states."""

from gateway.sources.all import Sources
from gateway.sources.settings import load

__all__ = ["Sources", "load"]
