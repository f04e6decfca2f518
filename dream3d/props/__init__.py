"""Procedural props: shapes with named parts, looks and relations, and the captions that describe them.

They train the built-in prior and judge results; generation never looks a shape up here.
"""

from dream3d.props.build import Prop, make_prop
from dream3d.props.captions import caption
from dream3d.props.catalogue import FAMILIES
from dream3d.props.family import Family, Part
from dream3d.props.finish import MATERIALS, PATTERNS, Finish, Paint, base_color
from dream3d.props.held_out import PAIR_KINDS, PairKind, held_out_colors, held_out_pairs, is_held_out
from dream3d.props.palette import COLORS
from dream3d.props.parsing import Told, parse_caption, told_looks
from dream3d.props.sample import sample_prop, sample_spec
from dream3d.props.spec import SIZES, PropSpec, SceneSpec, Spec, prop_spec
from dream3d.props.words import vocabulary
from dream3d.things.relations import RELATIONS

__all__ = [
    "COLORS",
    "FAMILIES",
    "MATERIALS",
    "PAIR_KINDS",
    "PATTERNS",
    "RELATIONS",
    "SIZES",
    "Family",
    "Finish",
    "Paint",
    "PairKind",
    "Part",
    "Prop",
    "PropSpec",
    "SceneSpec",
    "Spec",
    "Told",
    "base_color",
    "caption",
    "held_out_colors",
    "held_out_pairs",
    "is_held_out",
    "make_prop",
    "parse_caption",
    "prop_spec",
    "sample_prop",
    "sample_spec",
    "told_looks",
    "vocabulary",
]
