"""`barkclient plan`: sizes a deployment. The simulation is a part of the package barkserve."""

from importlib.util import find_spec

from barkclient.bench.plot import check_matplotlib
from barkclient.cli.files import check_files
from barkclient.cli.plan_arguments import PlanArguments
from barkclient.errors import InvalidRequest


def plan(arguments: PlanArguments) -> None:
    """Print a plan.

    Raises:
        InvalidRequest: the profile cannot be read, or a package is missing.
    """
    if find_spec("barkserve") is None or find_spec("barkserve.simulation") is None:
        raise InvalidRequest("plan needs the package barkserve: pip install barkserve")
    if arguments.plot is not None:
        check_files(arguments.plot)
        check_matplotlib()
    from barkserve.simulation.command import run

    print(run(arguments))
