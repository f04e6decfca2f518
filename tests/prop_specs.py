"""Strategies that draw any spec of the grammar, held out or not."""

from hypothesis import strategies as st

from dream3d.props import COLORS, FAMILIES, MATERIALS, PATTERNS, RELATIONS, SIZES, Finish, PropSpec, SceneSpec


@st.composite
def finishes(draw: st.DrawFn) -> Finish:
    """Any finish."""
    material = draw(st.sampled_from((None, None, *MATERIALS)))
    color = draw(st.sampled_from(COLORS if material is None else (None, *COLORS)))
    pattern = draw(st.sampled_from((None, None, *PATTERNS)))
    others = [name for name in COLORS if name != color]
    second = draw(st.sampled_from((None, *others))) if pattern else None
    return Finish(color, material, pattern, second)


@st.composite
def single_specs(draw: st.DrawFn) -> PropSpec:
    """Any prop: every part may be natural, finished anew or, where the family allows it, missing."""
    family = FAMILIES[draw(st.sampled_from(list(FAMILIES)))]
    looks = {}
    for part in family.parts:
        is_loose = part.name in family.optional + family.extra
        if is_loose and draw(st.booleans()):
            continue
        looks[part.name] = draw(st.one_of(st.just(Finish(part.color)), finishes()))
    return PropSpec(family.name, looks, draw(st.sampled_from((None, *SIZES))))


def specs() -> st.SearchStrategy[PropSpec | SceneSpec]:
    """Any prop or pair of props."""
    pairs = st.builds(SceneSpec, single_specs(), st.sampled_from(RELATIONS), single_specs())
    return st.one_of(single_specs(), pairs)
