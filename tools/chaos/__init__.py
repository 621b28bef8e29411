"""Faults on real processes while streams are spoken, and what each fault cost them."""
