"""What tests share is in `shared.py`: processes that run tests import it, and the one that hands them out does not."""


def pytest_configure(config):
    """Import what tests need; with -n, only the workers do: the process that starts them waits for no torch."""
    if not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin("shared")
