"""All prop families by name."""

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

FAMILIES: dict[str, Family] = {family.name: family for theme in THEMES for family in theme}
