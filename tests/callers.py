"""Several callers at once."""

import threading


def at_once(call, times, callers=4):
    """What `call` gives, `times` in each of so many threads at once."""
    given = []

    def calls():
        for _ in range(times):
            given.append(call())

    threads = [threading.Thread(target=calls) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == times * callers
    return given
