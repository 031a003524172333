"""Pulumi's file backend."""
