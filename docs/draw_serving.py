"""Draw the serve state machine from its table, as a Mermaid diagram: C{python docs/draw_serving.py}."""

from proxycache.policy.serving import TERMINAL, TRANSITIONS, State


def name(state: State) -> str:
    """A state's name in the diagram."""
    return state.name


def draw() -> str:
    """The diagram's text."""
    lines = ["stateDiagram-v2", f"    [*] --> {name(State.TRY_CACHE)}"]
    for (state, event), transition in TRANSITIONS.items():
        label = event.value
        if transition.otherwise is not None:
            lines.append(f"    {name(state)} --> {name(transition.to)}: {label}, retries left")
            lines.append(f"    {name(state)} --> {name(transition.otherwise)}: {label}, none left")
        else:
            lines.append(f"    {name(state)} --> {name(transition.to)}: {label}")
    lines += [f"    {name(state)} --> [*]" for state in sorted(TERMINAL, key=name)]
    return "\n".join(lines)


if __name__ == "__main__":
    print(draw())
