"""Procedural prop families: shapes with named, colored parts and the captions that describe them.

They train the built-in prior and judge results; generation never looks a shape up here.
"""

from dream3d.props.captions import PropSpec, caption, parse_caption, prop_spec, vocabulary
from dream3d.props.catalogue import FAMILIES
from dream3d.props.family import Family, Part
from dream3d.props.palette import COLORS
from dream3d.props.sample import Prop, held_out_colors, is_held_out, make_prop, sample_prop, sample_spec

__all__ = [
    "COLORS",
    "FAMILIES",
    "Family",
    "Part",
    "Prop",
    "PropSpec",
    "caption",
    "held_out_colors",
    "is_held_out",
    "make_prop",
    "parse_caption",
    "prop_spec",
    "sample_prop",
    "sample_spec",
    "vocabulary",
]
