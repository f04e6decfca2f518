"""All prop families in one ordered catalogue."""

from dream3d.props.family import Family
from dream3d.props.food import FOOD
from dream3d.props.furniture import FURNITURE
from dream3d.props.household import HOUSEHOLD
from dream3d.props.plants import PLANTS

FAMILIES: dict[str, Family] = {
    family.name: family for theme in (PLANTS, FOOD, FURNITURE, HOUSEHOLD) for family in theme
}
