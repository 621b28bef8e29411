"""Slots are never shared and never lost."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from barkserve.engine.kv_cache import SlotTable
from barkserve.engine.request import Request
from tests.support.fakes import fake_request


def taken(table: SlotTable) -> Request:
    request = fake_request([1], 1)
    request.slot = table.take()
    return request


def test_take_returns_the_lowest_free_slot() -> None:
    table = SlotTable(3)
    first, second = taken(table), taken(table)
    assert (first.slot, second.slot) == (0, 1)
    table.free(first)
    assert (taken(table).slot, taken(table).slot, taken(table).slot) == (0, 2, None)


def test_take_evicts_the_slot_held_longest() -> None:
    table = SlotTable(2)
    old, new = taken(table), taken(table)
    table.hold(new)
    table.hold(old)
    assert table.available == 2
    assert (table.take(), new.slot, old.slot) == (1, None, 0)
    assert table.take_over(new) is None
    assert (table.take_over(old), table.available) == (0, 0)


@pytest.mark.parametrize("held", [True, False])
def test_free_twice_frees_once(held: bool) -> None:
    table = SlotTable(1)
    request = taken(table)
    if held:
        table.hold(request)
    table.free(request)
    table.free(request)
    assert (table.take(), table.take()) == (0, None)


class SlotTableMachine(RuleBasedStateMachine):
    """Makes calls in any order that the scheduler can use."""

    def __init__(self) -> None:
        super().__init__()
        self.table = SlotTable(3)
        self.used: list[Request] = []
        self.held: list[Request] = []

    @rule()
    def take(self) -> None:
        request = taken(self.table)
        if request.slot is not None:
            self.used.append(request)
        self.held = [held for held in self.held if held.slot is not None]

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        request = self.used.pop(data.draw(st.integers(0, len(self.used) - 1)))
        self.table.hold(request)
        self.held.append(request)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def take_over(self, data: st.DataObject) -> None:
        before = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        after = fake_request([1], 1)
        after.slot = self.table.take_over(before)
        assert after.slot is not None
        self.used.append(after)

    @precondition(lambda self: self.used or self.held)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        requests = self.used + self.held
        request = requests[data.draw(st.integers(0, len(requests) - 1))]
        self.table.free(request)
        self.used = [other for other in self.used if other is not request]
        self.held = [other for other in self.held if other is not request]

    @invariant()
    def every_slot_has_one_owner(self) -> None:
        slots = [request.slot for request in self.used + self.held]
        assert None not in slots
        assert len(set(slots)) == len(slots)
        assert self.table.available == self.table.size - len(self.used)


TestSlotTable = SlotTableMachine.TestCase
TestSlotTable.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
