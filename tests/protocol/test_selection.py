"""Choices of users: what is written of them is read again as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.protocol.selection import Selection


@given(
    st.one_of(
        st.just("all"),
        st.integers(1, 99),
        st.builds(lambda kind, n: {kind: n}, st.sampled_from(["last", "total"]), st.integers(1, 99)),
        st.builds(
            lambda cities, first, more: {"uids": dict.fromkeys(cities, f"{first}-{first + more}, {first + more + 7}")},
            st.sets(st.sampled_from(["", "B", "C"]), min_size=1),
            st.integers(0, 99),
            st.integers(0, 9),
        ),
    )
)
def test_a_selection_is_written_as_it_is_read(chosen: object) -> None:
    read = Selection.model_validate(chosen)
    assert Selection.model_validate(read.plain()) == read
