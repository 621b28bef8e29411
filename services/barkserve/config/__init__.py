"""The options of every command: one dataclass per command, one field per option.

A field gives the option its flag, environment variable, help text and default (see `options`).
Groups that several commands share are base classes, so that each option is declared once.
"""
