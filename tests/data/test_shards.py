"""Shards share out what there is."""

from hypothesis import given
from hypothesis import strategies as st

from isic.data.shards import shard


@given(n=st.integers(1, 300), count=st.integers(1, 40))
def test_shards_share_out_all_of_it(n: int, count: int) -> None:
    parts = [shard(n, i, count) for i in range(count)]
    assert [c for part in parts for c in part] == list(range(n))
    sizes = {len(part) for part in parts}
    assert max(sizes) - min(sizes) <= 1
