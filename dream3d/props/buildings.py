"""Buildings and things that stand outdoors. Doors open to the front."""

from dream3d.props.family import HALF_TURN, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    box,
    cone,
    cylinder,
    dome,
    extrude,
    frustum,
    lathe,
    pair,
    prism_roof,
    ring,
    sphere,
    torus,
)

ARCH = ((-0.5, 0.0), (0.5, 0.0), (0.5, 0.6), (0.35, 0.88), (0.0, 1.0), (-0.35, 0.88), (-0.5, 0.6))


def _arch(width: float, height: float, depth: float = 0.12) -> Solid:
    """A door or gate with a round top, standing on y = 0."""
    return extrude(ARCH, 1.0).scaled(width, height, depth)


def _house(v: Vary) -> Build:
    width, depth, height = v(1.1), v(0.95), v(0.68)
    window = beveled_box(0.24, 0.24, 0.1, 0.02)
    front = depth / 2
    return [
        ("walls", box(width, height, depth)),
        ("walls", prism_roof(width, 0.5, depth * 0.98).at(y=height, z=0.0)),
        *parts(
            pair(box(width * 0.78, 0.13, depth * 1.2).rolled(-42).at(width * 0.3, height + 0.19, 0.0)), "roof"
        ),
        ("door", box(0.3, 0.5, 0.12).at(z=front)),
        *parts(pair(window.at(width * 0.33, height * 0.42, front)), "windows"),
        *parts(pair(window.yawed(90).at(width / 2, height * 0.42, 0.0)), "windows"),
        ("chimney", box(0.2, 0.55, 0.2).at(width * 0.27, height + 0.15, -depth * 0.22)),
    ]


def _hut(v: Vary) -> Build:
    wall = v(0.56)
    return [
        (
            "roof",
            lathe(((0.74, 0.0), (0.42, 0.42), (0.0, 0.85)), 10, faceted=True)
            .scaled(v(1.05), v(1.0), 1.05)
            .at(y=0.52),
        ),
        ("walls", cylinder(wall, 0.6)),
        ("door", _arch(0.38, 0.5).at(z=wall - 0.01)),
        *parts(
            [beveled_box(0.22, 0.2, 0.1, 0.02).at(y=0.24, z=wall).yawed(s * 62) for s in (-1, 1)], "windows"
        ),
    ]


def _tower(v: Vary) -> Build:
    merlon = box(0.22, 0.22, 0.14).at(y=1.34, z=0.42)
    return [
        ("walls", frustum(v(0.46), 0.4, 1.15)),
        ("walls", lathe(((0.4, 1.05), (0.53, 1.18), (0.53, 1.36), (0.36, 1.36)))),
        *parts(ring(merlon, 7, 180 / 7), "walls"),
        ("roof", cone(0.42, v(0.7)).at(y=1.34)),
        ("door", _arch(0.34, 0.5, 0.16).at(z=0.4)),
        ("windows", _arch(0.2, 0.26, 0.16).at(y=0.72, z=0.39)),
    ]


def _castle(v: Vary) -> Build:
    tower = v(1.0)
    turrets = [cylinder(0.25, tower, 12).at(x, 0.0, z) for x in (-0.6, 0.6) for z in (-0.42, 0.42)]
    roofs = [cone(0.33, v(0.42), 12).at(x, tower, z) for x in (-0.6, 0.6) for z in (-0.42, 0.42)]
    merlons = [box(0.15, 0.15, 0.16).at(x, 0.66, z) for x in (-0.24, 0.0, 0.24) for z in (-0.42, 0.42)]
    return [
        *parts([*turrets, *merlons, box(1.2, 0.68, 0.9)], "walls"),
        *parts(roofs, "roofs"),
        ("gate", _arch(0.42, 0.5).at(z=0.45)),
    ]


def _lighthouse(v: Vary) -> Build:
    return [
        ("walls", frustum(0.42, 0.25, 1.3)),
        ("stripes", frustum(0.41, 0.375, 0.24).at(y=0.25)),
        ("stripes", frustum(0.355, 0.315, 0.24).at(y=0.7)),
        ("stripes", cylinder(0.36, 0.1).at(y=1.26)),
        ("light", cylinder(0.21, 0.3, 12).at(y=1.34)),
        ("stripes", cone(0.32, v(0.3)).at(y=1.62)),
        ("door", _arch(0.26, 0.36, 0.14).at(z=0.37)),
    ]


def _windmill(v: Vary) -> Build:
    blade = beveled_box(0.24, 0.72, 0.07, 0.0).at(y=0.12)
    spin = v.rng.uniform(15, 75)
    blades = [blade.rolled(spin + 90 * k).at(0.0, 1.12, 0.46) for k in range(4)]
    return [
        ("walls", frustum(v(0.5), 0.3, 1.15, 8, faceted=True)),
        *parts(blades, "blades"),
        ("blades", sphere(0.12, 10).at(y=1.12, z=0.48)),
        ("roof", cone(0.42, v(0.42), 8).at(y=1.12)),
        ("door", _arch(0.3, 0.44, 0.14).at(z=0.44)),
    ]


def _tent(v: Vary) -> Build:
    width, depth, height = v(1.3), v(1.3), v(0.95)
    flap = extrude(((-0.26, 0.0), (0.26, 0.0), (0.0, 0.64)), 0.1).scaled(width * 0.9, height, 1.0)
    return [
        ("fabric", prism_roof(width, height, depth)),
        ("entrance", flap.at(z=depth / 2)),
        *parts([beveled_box(0.1, height + 0.16, 0.1, 0.02).at(z=s * depth / 2) for s in (-1, 1)], "poles"),
    ]


def _teepee(v: Vary) -> Build:
    pole = cylinder(0.055, 0.7, 6).pitched(24)
    return [
        ("fabric", frustum(v(0.68), 0.14, v(1.25), 10, faceted=True)),
        ("stripe", frustum(0.56, 0.46, 0.24, 10, faceted=True).at(y=0.42).scaled(1.0, 1.0, 1.0)),
        ("entrance", extrude(((-0.24, 0.0), (0.24, 0.0), (0.0, 0.72)), 0.14).pitched(-22).at(z=0.68)),
        *parts([p.at(y=1.1) for p in ring(pole, 4, 45)], "poles"),
    ]


def _igloo(v: Vary) -> Build:
    tunnel = _arch(0.62, 0.58, 0.5).at(z=v(0.72))
    return [
        ("snow", dome(0.8, v(0.76), 20)),
        ("snow", tunnel),
        ("entrance", _arch(0.4, 0.42, 0.1).at(z=0.98)),
    ]


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


def _snowman(v: Vary) -> Build:
    head = v(0.3)
    eye = sphere(0.065, 8).at(0.12, 1.32, 0.25)
    button = sphere(0.075, 8)
    return [
        ("snow", sphere(v(0.52)).at(y=0.42)),
        ("snow", sphere(0.38).at(y=0.92)),
        ("snow", sphere(head).at(y=1.3)),
        ("hat", cylinder(0.36, 0.09, 14).at(y=1.48)),
        ("hat", cylinder(0.23, v(0.34), 14).at(y=1.5)),
        ("scarf", torus(0.27, 0.1, 16, 8).at(y=1.12)),
        ("scarf", box(0.17, 0.42, 0.12).pitched(-12).at(0.16, 0.72, 0.42)),
        ("nose", cone(0.09, 0.36, 8).pitched(90).at(y=1.27, z=0.24)),
        *parts([*pair(eye), button.at(y=0.9, z=0.38), button.at(y=0.62, z=0.49)], "eyes"),
    ]


BUILDINGS = (
    Family(
        ("house", "cottage"),
        (
            Part("walls", "beige"),
            Part("roof", "red"),
            Part("door", "brown"),
            Part("windows", "cyan"),
            Part("chimney", "gray"),
        ),
        _house,
    ),
    Family(
        ("hut",),
        (Part("roof", "golden"), Part("walls", "beige"), Part("door", "brown"), Part("windows", "blue")),
        _hut,
    ),
    Family(
        ("tower",),
        (Part("walls", "gray"), Part("roof", "blue"), Part("door", "brown"), Part("windows", "black")),
        _tower,
    ),
    Family(
        ("castle", "fortress"),
        (Part("walls", "gray"), Part("roofs", "red"), Part("gate", "brown", ("door",))),
        _castle,
    ),
    Family(
        ("lighthouse",),
        (Part("walls", "white"), Part("stripes", "red"), Part("light", "yellow"), Part("door", "brown")),
        _lighthouse,
    ),
    Family(
        ("windmill",),
        (
            Part("walls", "white"),
            Part("blades", "brown", ("sails",)),
            Part("roof", "red"),
            Part("door", "blue"),
        ),
        _windmill,
    ),
    Family(
        ("tent",),
        (Part("fabric", "orange", ("canvas",)), Part("entrance", "black"), Part("poles", "brown")),
        _tent,
    ),
    Family(
        ("teepee",),
        (
            Part("fabric", "beige", ("canvas",)),
            Part("stripe", "red"),
            Part("entrance", "black"),
            Part("poles", "brown"),
        ),
        _teepee,
    ),
    Family(("igloo",), (Part("snow", "white", ("ice",)), Part("entrance", "navy")), _igloo),
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
    ),
    Family(("fence", "picket fence"), (Part("pickets", "white"), Part("rails", "brown")), _fence),
    Family(
        ("mailbox", "letterbox"),
        (Part("box", "blue"), Part("door", "white"), Part("flag", "red"), Part("post", "brown")),
        _mailbox,
    ),
    Family(
        ("signpost",),
        (Part("sign", "beige", ("arrows",)), Part("post", "brown"), Part("base", "green")),
        _signpost,
    ),
    Family(
        ("gravestone", "tombstone"),
        (Part("stone", "gray"), Part("cross", "black"), Part("base", "brown")),
        _gravestone,
    ),
    Family(
        ("street lamp", "lamp post"),
        (Part("light", "yellow"), Part("pole", "black", ("post",))),
        _street_lamp,
        0,
    ),
    Family(
        ("campfire", "bonfire"),
        (Part("flames", "orange", ("fire",)), Part("logs", "brown"), Part("stones", "gray")),
        _campfire,
        0,
    ),
    Family(
        ("snowman",),
        (
            Part("snow", "white"),
            Part("hat", "black"),
            Part("scarf", "red"),
            Part("nose", "orange"),
            Part("eyes", "black"),
        ),
        _snowman,
    ),
)
