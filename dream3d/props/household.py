"""Containers, lights and small things around the house."""

from dream3d.props.family import HALF_TURN, QUARTER_TURN, ROUND, WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    beveled_box,
    box,
    cylinder,
    dome,
    extrude,
    frustum,
    lathe,
    pair,
    ring,
    sphere,
    torus,
    tube,
)

HANDLE = tuple(
    (x, y, 0.0) for x, y in ((0.0, 0.0), (0.26, 0.02), (0.38, 0.16), (0.38, 0.4), (0.26, 0.54), (0.0, 0.56))
)


def _crate(v: Vary) -> Build:
    side = v(1.0, 0.04)
    beam = beveled_box(0.14, side + 0.08, 0.17, 0.02).at(side / 2 - 0.05, -0.04, side / 2 - 0.05)
    rail = beveled_box(side + 0.04, 0.14, 0.14, 0.02).at(z=side / 2 - 0.05)
    rails = ring(rail.at(y=-0.04), 4) + ring(rail.at(y=side - 0.1), 4)
    brace = beveled_box(side * 1.15, 0.13, 0.08, 0.0).at(y=-0.08).rolled(45).at(y=side / 2, z=side / 2)
    return [
        ("boards", box(side, side, side)),
        *parts([*ring(beam, 4), *rails, *ring(brace, 4)], "frame"),
    ]


def _barrel(v: Vary) -> Build:
    body = lathe(
        ((0.42, 0.0), (0.52, 0.25), (0.56, 0.55), (0.52, 0.85), (0.42, 1.1), (0.36, 1.1), (0.36, 1.04)), 18
    )
    low, high = cylinder(0.545, 0.13, 18), cylinder(0.545, 0.13, 18)
    width = v(1.0)
    lid = [("lid", cylinder(0.46, 0.1, 18).at(y=1.08)), ("lid", cylinder(0.12, 0.14, 12).at(y=1.16))]
    return [
        (name, s.scaled(width, 1.0, width))
        for name, s in (("wood", body), ("bands", low.at(y=0.2)), ("bands", high.at(y=0.77)), *lid)
    ]


def _chest(v: Vary) -> Build:
    width, depth = v(1.3), v(0.8)
    lid = extrude(
        (
            (-0.4, 0.0),
            (0.4, 0.0),
            (0.4, 0.1),
            (0.28, 0.26),
            (0.1, 0.34),
            (-0.1, 0.34),
            (-0.28, 0.26),
            (-0.4, 0.1),
        ),
        1.0,
    )
    lid = lid.yawed(90).scaled(width, 1.0, depth / 0.8)
    strap = lid.scaled(0.17 / width, 1.08, 1.06).at(x=width * 0.36, y=0.5)
    return [
        ("wood", beveled_box(width, 0.5, depth, 0.02)),
        ("wood", lid.at(y=0.52)),
        *parts(pair(strap), "trim"),
        *parts(pair(box(0.17, 0.52, depth * 1.06).at(x=width * 0.36)), "trim"),
        ("trim", box(width * 1.03, 0.12, depth * 1.04).at(y=0.44)),
        ("lock", beveled_box(0.34, 0.38, 0.2, 0.04).at(y=0.3, z=depth / 2 + 0.03)),
    ]


def _candle(v: Vary) -> Build:
    height = v(0.72)
    return [
        ("wax", lathe(((0.22, 0.0), (0.22, 0.86), (0.16, 1.0))).scaled(v(1.0), height, 1.0).at(y=0.1)),
        ("flame", lathe(((0.0, 0.0), (0.13, 0.12), (0.1, 0.26), (0.0, 0.46)), 12).at(y=height + 0.12)),
        ("holder", lathe(((0.36, 0.0), (0.5, 0.16), (0.44, 0.18), (0.3, 0.1)))),
        ("holder", torus(0.15, 0.065, 14, 8).pitched(90).at(x=0.56, y=0.15)),
    ]


def _lantern(v: Vary) -> Build:
    post = box(0.13, 0.72, 0.13).at(0.26, 0.14, 0.26)
    return [
        ("glass", beveled_box(0.56, v(0.7), 0.56, 0.04).at(y=0.14)),
        *parts(ring(post, 4), "frame"),
        ("frame", beveled_box(0.78, 0.16, 0.78, 0.04)),
        ("frame", frustum(0.62, 0.16, 0.34, 4, faceted=True).at(y=0.8)),
        ("frame", torus(0.17, 0.06, 16, 8).pitched(90).at(y=1.28)),
    ]


def _mug(v: Vary) -> Build:
    cup = lathe(((0.4, 0.0), (0.45, 0.06), (0.45, 0.9), (0.36, 0.9), (0.36, 0.72)), 18)
    return [
        ("body", cup.scaled(v(1.0), v(1.0), v(1.0))),
        ("handle", tube(HANDLE, 0.09).scaled(1.1, 1.1, 1.1).at(x=0.38, y=0.14)),
        ("drink", cylinder(0.38, 0.06, 16).at(y=0.7)),
    ]


def _teapot(v: Vary) -> Build:
    body = lathe(((0.3, 0.0), (0.52, 0.16), (0.6, 0.42), (0.5, 0.68), (0.28, 0.8)))
    spout = tube(
        ((0.42, 0.3, 0.0), (0.68, 0.4, 0.0), (0.82, 0.62, 0.0), (1.0, 0.78, 0.0)), (0.17, 0.14, 0.1, 0.1)
    )
    return [
        ("body", body.scaled(v(1.0), v(1.0), v(1.0))),
        ("spout", spout),
        ("handle", tube(HANDLE, 0.085).scaled(1.1, 0.9, 1.0).at(x=0.46, y=0.16).mirrored()),
        ("lid", dome(0.34, 0.16).at(y=0.76)),
        ("lid", sphere(0.12, 10).at(y=0.98)),
    ]


def _bottle(v: Vary) -> Build:
    glass = lathe(((0.26, 0.0), (0.3, 0.05), (0.3, 0.75), (0.14, 1.0), (0.14, 1.25)))
    return [
        ("glass", glass.scaled(v(1.0), v(1.0), 1.0)),
        ("label", cylinder(0.325, v(0.34)).at(y=0.24)),
        ("cork", cylinder(0.15, 0.2, 12).at(y=1.22)),
    ]


def _potion(v: Vary) -> Build:
    flask = v(0.55)
    return [
        ("liquid", sphere(flask).scaled(1.0, 0.92, 1.0).at(y=flask * 0.86)),
        ("neck", lathe(((0.24, 0.0), (0.18, 0.12), (0.18, 0.36), (0.28, 0.38), (0.28, 0.48))).at(y=0.88)),
        ("cork", frustum(0.15, 0.19, 0.24, 12).at(y=1.34)),
    ]


def _bowl(v: Vary) -> Build:
    shell = lathe(((0.3, 0.0), (0.3, 0.08), (0.56, 0.22), (0.74, 0.5), (0.66, 0.52), (0.6, 0.44)), 20)
    return [("clay", shell.scaled(1.0, v(1.1), 1.0)), ("soup", dome(0.64, v(0.17), 18).at(y=0.45))]


def _vase(v: Vary) -> Build:
    body = lathe(
        ((0.2, 0.0), (0.42, 0.3), (0.46, 0.55), (0.34, 0.85), (0.18, 1.0), (0.28, 1.16), (0.2, 1.16))
    )
    return [
        ("clay", body.scaled(v(1.0), v(1.0), v(1.0))),
        ("stripe", lathe(((0.44, 0.4), (0.49, 0.48), (0.48, 0.62), (0.42, 0.68)))),
    ]


def _bucket(v: Vary) -> Build:
    shell = lathe(((0.34, 0.0), (0.48, 0.72), (0.4, 0.72), (0.38, 0.6)), 18)
    arch = tuple(
        (x, y, 0.0)
        for x, y in (
            (-0.5, 0.0),
            (-0.44, 0.28),
            (-0.25, 0.5),
            (0.0, 0.58),
            (0.25, 0.5),
            (0.44, 0.28),
            (0.5, 0.0),
        )
    )
    return [
        ("sides", shell.scaled(1.0, v(1.0), 1.0)),
        ("handle", tube(arch, 0.065).scaled(1.0, v(1.0), 1.0).at(y=0.62)),
        ("water", cylinder(0.4, 0.06).at(y=0.6)),
    ]


def _watering_can(v: Vary) -> Build:
    spout = tube(((0.3, 0.2, 0.0), (0.62, 0.5, 0.0), (0.9, 0.86, 0.0)), (0.13, 0.1, 0.085))
    rose = frustum(0.1, 0.22, 0.17, 12).rolled(-46).at(x=0.88, y=0.84)
    return [
        ("body", cylinder(v(0.44), 0.75)),
        ("body", dome(0.4, 0.12).at(y=0.74)),
        ("spout", spout),
        ("spout", rose),
        ("handle", tube(HANDLE, 0.085).scaled(1.2, 1.25, 1.0).at(x=0.36, y=0.12).mirrored()),
    ]


def _gift(v: Vary) -> Build:
    width, height = v(0.95), v(0.8)
    loop = (
        torus(0.17, 0.075, 14, 8).pitched(90).scaled(1.15, 0.85, 1.4).rolled(28).at(0.2, height + 0.24, 0.0)
    )
    return [
        ("paper", beveled_box(width, height, width, 0.02)),
        ("paper", beveled_box(width * 1.1, 0.2, width * 1.1, 0.02).at(y=height - 0.1)),
        *parts([box(0.2, height + 0.03, width * 1.02), box(width * 1.02, height + 0.03, 0.2)], "ribbon"),
        *parts(
            [
                box(0.2, 0.24, width * 1.13).at(y=height - 0.11),
                box(width * 1.13, 0.24, 0.2).at(y=height - 0.11),
            ],
            "ribbon",
        ),
        *parts(pair(loop), "ribbon"),
    ]


HOUSEHOLD = (
    Family(
        ("crate", "box"),
        (Part("boards", "beige", ("panels",)), Part("frame", "brown")),
        _crate,
        QUARTER_TURN,
        stand=WHOLE_TOP,
    ),
    Family(
        ("barrel",),
        (Part("wood", "brown"), Part.metal("bands", "gray", ("hoops",)), Part("lid", "brown")),
        _barrel,
        ROUND,
        extra=("lid",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("chest", "treasure chest"),
        (Part("wood", "brown"), Part.metal("trim", "golden"), Part.metal("lock", "gray")),
        _chest,
        optional=("lock",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("candle",),
        (Part("wax", "white"), Part("flame", "orange"), Part.metal("holder", "golden")),
        _candle,
        optional=("flame", "holder"),
    ),
    Family(
        ("lantern",),
        (Part.metal("frame", "black", ("metal",)), Part.glass("glass", "yellow", ("light",))),
        _lantern,
        QUARTER_TURN,
    ),
    Family(
        ("mug", "cup"),
        (Part("body", "blue"), Part("handle", "white"), Part("drink", "brown", ("coffee",))),
        _mug,
        optional=("handle", "drink"),
    ),
    Family(
        ("teapot",),
        (Part("body", "red"), Part("lid", "white"), Part("handle", "golden"), Part("spout", "golden")),
        _teapot,
        optional=("lid", "handle", "spout"),
    ),
    Family(
        ("bottle",),
        (Part.glass("glass", "green"), Part("label", "beige"), Part("cork", "brown")),
        _bottle,
        ROUND,
        optional=("label", "cork"),
    ),
    Family(
        ("potion", "flask"),
        (Part.glass("liquid", "purple"), Part.glass("neck", "cyan"), Part("cork", "brown")),
        _potion,
        ROUND,
        optional=("cork",),
    ),
    Family(
        ("bowl", "soup bowl"),
        (Part("clay", "blue", ("rim",)), Part("soup", "orange")),
        _bowl,
        ROUND,
        optional=("soup",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("vase",),
        (Part("clay", "orange"), Part("stripe", "white", ("band",))),
        _vase,
        ROUND,
        optional=("stripe",),
    ),
    Family(
        ("bucket", "pail"),
        (Part.metal("sides", "gray"), Part("water", "cyan"), Part("handle", "brown")),
        _bucket,
        HALF_TURN,
        optional=("water", "handle"),
        stand=WHOLE_TOP,
    ),
    Family(
        ("watering can",),
        (Part("body", "green"), Part.metal("spout", "gray"), Part("handle", "brown")),
        _watering_can,
        optional=("spout", "handle"),
    ),
    Family(
        ("gift", "present", "gift box"),
        (Part("paper", "red", ("wrapping",)), Part("ribbon", "golden", ("bow",))),
        _gift,
        QUARTER_TURN,
        optional=("ribbon",),
    ),
)
