"""All prop families: what exists, and which of them are in use."""

from dream3d.props.animals import ANIMALS
from dream3d.props.buildings import BUILDINGS
from dream3d.props.characters import CHARACTERS
from dream3d.props.critters import CRITTERS
from dream3d.props.family import Family
from dream3d.props.food import FOOD
from dream3d.props.furniture import FURNITURE
from dream3d.props.household import HOUSEHOLD
from dream3d.props.outdoors import OUTDOORS
from dream3d.props.plants import PLANTS
from dream3d.props.tools import TOOLS
from dream3d.props.toys import TOYS
from dream3d.props.treasure import TREASURE
from dream3d.props.vehicles import VEHICLES
from dream3d.props.vessels import VESSELS

THEMES: tuple[tuple[Family, ...], ...] = (
    *(PLANTS, FOOD, FURNITURE, HOUSEHOLD, BUILDINGS, OUTDOORS, VEHICLES, VESSELS),
    *(TOOLS, TREASURE, TOYS, ANIMALS, CRITTERS, CHARACTERS),
)

CATALOGUE: dict[str, Family] = {family.name: family for theme in THEMES for family in theme}

# A small prior draws fifty things well before it draws a hundred: the rest of the catalogue waits. The
# families in use make up the vocabulary, so adding one here means training the prior again.
IN_USE = """
    mushroom, pine tree, tree, cactus, flower, rock, crystal,
    donut, ice cream, cupcake, apple, pumpkin, carrot,
    chair, stool, table, bed, sofa, lamp,
    crate, barrel, chest, candle, lantern, mug, teapot, bottle, potion, bowl,
    house, tower, windmill, tent, well, fence, snowman,
    car, boat, airplane, rocket,
    sword, axe, hammer, shield, key, crown,
    duck, penguin, fish, robot
"""

FAMILIES: dict[str, Family] = {name: CATALOGUE[name] for name in " ".join(IN_USE.split()).split(", ")}
