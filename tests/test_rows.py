import pytest
import torch
from thread_counts import assert_same_bits_for_any_number_of_threads

from dream3d.ops.rows import add_rows, gather_rows

INDEX = torch.tensor([2, 0, 2, 2, 4], dtype=torch.int32)


@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 2), (5, 0)])
def test_gathering_is_indexing_and_adding_its_adjoint(shape):
    table = torch.randn(shape, dtype=torch.float64).requires_grad_()
    rows = torch.randn(5, *shape[1:], dtype=torch.float64).requires_grad_()
    gathered, added = gather_rows(table, INDEX), add_rows(rows, INDEX, 5)
    assert torch.equal(gathered, table[INDEX.long()])
    assert torch.equal(added, torch.zeros(shape, dtype=torch.float64).index_add(0, INDEX, rows))
    torch.testing.assert_close((gathered * rows).sum(), (table * added).sum())
    if table.numel():
        assert torch.autograd.gradcheck(lambda values: gather_rows(values, INDEX), table)
        assert torch.autograd.gradcheck(lambda values: add_rows(values, INDEX, 5), rows)


def test_nothing():
    none = torch.zeros(0, dtype=torch.int64)
    assert gather_rows(torch.ones(4, 3), none).shape == (0, 3)
    assert gather_rows(torch.ones(0, 3), none).shape == (0, 3)
    assert torch.equal(add_rows(torch.ones(0, 3), none, 2), torch.zeros(2, 3))


def test_sums_have_the_same_bits_for_any_number_of_threads():
    index = torch.randint(0, 50, (40000,))
    upstream = torch.randn(40000, 3)
    table = torch.randn(50, 3)

    def run() -> tuple[torch.Tensor, ...]:
        leaf = table.clone().requires_grad_()
        gather_rows(leaf, index).backward(upstream)
        assert leaf.grad is not None
        return leaf.grad, add_rows(upstream, index, 50)

    assert_same_bits_for_any_number_of_threads(run)
