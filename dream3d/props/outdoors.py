"""Things that stand outdoors."""

from dream3d.props.family import HALF_TURN, WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    box,
    cylinder,
    dome,
    extrude,
    frustum,
    lathe,
    pair,
    prism_roof,
    ring,
    sphere,
)

ARCH = ((-0.5, 0.0), (0.5, 0.0), (0.5, 0.6), (0.35, 0.88), (0.0, 1.0), (-0.35, 0.88), (-0.5, 0.6))


def _arch(width: float, height: float, depth: float = 0.12) -> Solid:
    """A door or gate with a round top, standing on y = 0."""
    return extrude(ARCH, 1.0).scaled(width, height, depth)


def _well(v: Vary) -> Build:
    width = v(1.0)
    post = box(0.13, 1.1, 0.13).at(x=0.46)
    return [
        (
            "stones",
            lathe(((0.56, 0.0), (0.56, 0.5), (0.4, 0.5), (0.4, 0.3)), 12, faceted=True).scaled(
                width, 1.0, width
            ),
        ),
        ("roof", prism_roof(0.9, v(0.42), 1.35).yawed(90).at(y=1.02)),
        *parts(pair(post), "posts"),
        ("bucket", frustum(0.14, 0.19, 0.26, 10).at(y=0.58)),
        ("posts", box(0.9, 0.1, 0.1).at(y=0.9)),
        ("water", cylinder(0.42, 0.08).at(y=0.32)),
    ]


def _fence(v: Vary) -> Build:
    picket = extrude(((-0.13, 0.0), (0.13, 0.0), (0.13, 0.78), (0.0, 0.98), (-0.13, 0.78)), 0.12)
    rail = box(1.7, 0.15, 0.1)
    return [
        *parts([picket.scaled(1.0, v(1.0), 1.0).at(x=0.4 * k) for k in (-1.5, -0.5, 0.5, 1.5)], "pickets"),
        *parts([rail.at(y=0.2, z=-0.1), rail.at(y=0.56, z=-0.1)], "rails"),
    ]


def _mailbox(v: Vary) -> Build:
    outline = tuple(
        (0.5 * x, 0.5 * y)
        for x, y in ((-0.5, 0), (0.5, 0), (0.5, 0.7), (0.36, 0.96), (0, 1.08), (-0.36, 0.96), (-0.5, 0.7))
    )
    body = extrude(outline, 1.0)
    post = v(0.62)
    return [
        ("box", body.scaled(1.1, 1.1, v(0.85)).at(y=post)),
        ("door", body.scaled(0.86, 0.86, 0.12).at(y=post + 0.07, z=0.42)),
        ("flag", box(0.1, 0.42, 0.12).at(0.31, post + 0.28, -0.05)),
        ("flag", box(0.1, 0.2, 0.32).at(0.31, post + 0.52, -0.14)),
        ("post", box(0.17, post + 0.1, 0.17)),
    ]


def _signpost(v: Vary) -> Build:
    arrow = extrude(((-0.5, -0.17), (0.35, -0.17), (0.62, 0.0), (0.35, 0.17), (-0.5, 0.17)), 0.13)
    return [
        ("sign", arrow.scaled(v(1.0), 1.0, 1.0).at(0.08, 1.1, 0.12)),
        ("sign", arrow.mirrored().scaled(v(0.85), 0.95, 1.0).at(-0.06, 0.68, 0.12)),
        ("post", box(0.17, 1.42, 0.17)),
        ("base", dome(0.34, 0.2, 10)),
    ]


def _gravestone(v: Vary) -> Build:
    slab = _arch(v(0.78), v(1.0), 0.24).at(y=0.14)
    cross = [box(0.13, 0.5, 0.12).at(y=0.45, z=0.12), box(0.38, 0.13, 0.12).at(y=0.68, z=0.12)]
    return [
        ("stone", slab),
        *parts(cross, "cross"),
        ("base", beveled_box(1.05, 0.2, 0.5, 0.04)),
        ("base", box(0.7, 0.1, 0.9).at(z=0.4)),
    ]


def _street_lamp(v: Vary) -> Build:
    return [
        ("light", frustum(0.15, 0.25, 0.34, 6, faceted=True).at(y=1.2)),
        ("pole", cylinder(0.075, v(1.2, 0.04), 10)),
        ("pole", lathe(((0.26, 0.0), (0.26, 0.1), (0.1, 0.26)), 12)),
        ("pole", frustum(0.32, 0.06, 0.2, 6, faceted=True).at(y=1.53)),
    ]


def _campfire(v: Vary) -> Build:
    log = cylinder(0.11, 0.95, 8).at(y=-0.48).pitched(78).at(y=0.16)
    stone = sphere(0.17, 8).scaled(1.0, 0.8, 1.0).at(y=0.08, z=0.68)
    flame = lathe(((0.0, 0.0), (0.28, 0.12), (0.24, 0.34), (0.0, 0.85)), 8, faceted=True)
    small = flame.scaled(0.55, v(0.6), 0.55)
    return [
        ("flames", flame.scaled(1.0, v(1.1), 1.0).at(y=0.15)),
        *parts([small.at(y=0.15, z=0.24).yawed(120 * k) for k in range(3)], "flames"),
        *parts([log.yawed(60 * k) for k in range(3)], "logs"),
        *parts(ring(stone, 9), "stones"),
    ]


OUTDOORS = (
    Family(
        ("well", "water well"),
        (
            Part("stones", "gray", ("bricks",)),
            Part("roof", "red"),
            Part("posts", "brown"),
            Part("bucket", "golden"),
            Part("water", "blue"),
        ),
        _well,
        HALF_TURN,
        optional=("bucket", "water"),
    ),
    Family(("fence", "picket fence"), (Part("pickets", "white"), Part("rails", "brown")), _fence),
    Family(
        ("mailbox", "letterbox"),
        (Part("box", "blue"), Part("door", "white"), Part("flag", "red"), Part("post", "brown")),
        _mailbox,
        optional=("flag",),
    ),
    Family(
        ("signpost",),
        (Part("sign", "beige", ("arrows",)), Part("post", "brown"), Part("base", "green")),
        _signpost,
        optional=("base",),
    ),
    Family(
        ("gravestone", "tombstone"),
        (Part("stone", "gray"), Part("cross", "black"), Part("base", "brown")),
        _gravestone,
        optional=("cross", "base"),
        stand=WHOLE_TOP,
    ),
    Family(
        ("street lamp", "lamp post"),
        (Part.glass("light", "yellow"), Part.metal("pole", "black", ("post",))),
        _street_lamp,
        0,
    ),
    Family(
        ("campfire", "bonfire"),
        (Part("flames", "orange", ("fire",)), Part("logs", "brown"), Part("stones", "gray")),
        _campfire,
        0,
        optional=("stones",),
    ),
)
