"""Published systems, each a TOML file with its source and the values that it must reach.

*.toml       the recipes
recipe.py    what a recipe holds, and the check of every key
goals.py     the measures that goals name, and whether they are reached
curves.py    a measure across the variants, beside PCA's
"""

from narrows.recipes.goals import MEASURES, Evaluation, Goal, evaluate
from narrows.recipes.recipe import Recipe, Variant, load_recipe, recipe_names

__all__ = ["MEASURES", "Evaluation", "Goal", "Recipe", "Variant", "evaluate", "load_recipe", "recipe_names"]
