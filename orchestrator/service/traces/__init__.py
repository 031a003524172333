"""Sends each operation as a trace to an OpenTelemetry collector (P7)."""
