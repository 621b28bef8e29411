"""Programmatic dependent launch: a kernel starts while the kernel before it still runs.

It may load what no kernel writes, such as weights, before wait_for_previous().
"""

import triton

try:
    from triton.language.extra.cuda import gdc_launch_dependents as start_next
    from triton.language.extra.cuda import gdc_wait as wait_for_previous
except ImportError:  # an older Triton

    @triton.jit
    def wait_for_previous():
        """Do nothing."""

    @triton.jit
    def start_next():
        """Do nothing."""
