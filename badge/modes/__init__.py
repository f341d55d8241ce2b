"""Modes: objects that decide how an utterance is answered."""
