# pragma version 0.4.3
"""
@title Work of one kind
@license Apache-2.0
@notice Nothing at all, processor only, storage only: what a node does beside it is what a measurement wants to see.
"""

COUNT_MAX: constant(uint256) = 1024

cells: public(HashMap[uint256, uint256])


@external
def nothing():
    pass


@external
def sort(seed: uint256, count: uint256):
    """
    @notice Sorts `count` pseudo-random numbers in memory by heapsort.
    """
    values: uint256[COUNT_MAX] = empty(uint256[COUNT_MAX])
    assert count > 1 and count <= COUNT_MAX, "2 to 1,024 numbers"
    state: uint256 = seed
    for index: uint256 in range(count, bound=COUNT_MAX):
        state = unsafe_add(unsafe_mul(state, 6364136223846793005), 1442695040888963407)
        values[index] = state >> 64
    start: uint256 = count // 2
    end: uint256 = count
    for step: uint256 in range(2 * COUNT_MAX):
        moved: uint256 = 0
        if start > 0:
            start -= 1
            moved = values[start]
        else:
            end -= 1
            if end == 0:
                break
            moved = values[end]
            values[end] = values[0]
        parent: uint256 = start
        for depth: uint256 in range(11):
            child: uint256 = 2 * parent + 1
            if child >= end:
                break
            if child + 1 < end and values[child + 1] > values[child]:
                child += 1
            if values[child] <= moved:
                break
            values[parent] = values[child]
            parent = child
        values[parent] = moved
    for index: uint256 in range(1, count, bound=COUNT_MAX):
        assert values[index - 1] <= values[index], "not sorted"


@external
def write(first: uint256, count: uint256, number: uint256):
    """
    @notice Reads and writes `count` cells in a row.
    """
    for offset: uint256 in range(count, bound=COUNT_MAX):
        self.cells[first + offset] += number
