"""Chaos: thousands of episodes through the real pipeline while everything around it fails. Development only."""
