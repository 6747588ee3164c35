"""What is remembered of many things."""

from proxycache.policy.latest import Latest


def test_the_oldest_go() -> None:
    latest: Latest[str, int] = Latest(2)
    latest["a"], latest["b"] = 1, 2
    latest["a"] = 3
    latest["c"] = 4
    assert list(latest.items()) == [("a", 3), ("c", 4)]
    assert latest.get("b") is None
    assert latest.pop("a", None) == 3
    assert list(latest) == ["c"]
