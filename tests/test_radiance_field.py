import torch

from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import FieldConfig

CONFIG = FieldConfig(num_levels=4, log2_hashmap_size=10, finest_resolution=32, hidden_size=16)


def points(count: int = 500) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_three_ways_to_ask_agree():
    field = RadianceField(CONFIG, torch.Generator().manual_seed(1))
    density, albedo = field.density_and_albedo(points())
    torch.testing.assert_close(field.density(points()), density)
    torch.testing.assert_close(field.albedo_srgb(points()), albedo)
    torch.testing.assert_close(
        torch.nn.functional.softplus(field.density_logit(points())) * field.density_scale, density
    )


def test_starts_as_a_gray_blob_that_is_solid_in_the_middle_and_empty_at_the_rim():
    field = RadianceField(CONFIG, torch.Generator().manual_seed(1))
    density, albedo = field.density_and_albedo(points())
    radius = points().norm(dim=-1)
    assert float((albedo - 0.5).abs().max()) < 0.05
    expected = CONFIG.density_scale * torch.nn.functional.softplus(CONFIG.blob_strength * (1 - radius / 0.5))
    assert float((density - expected).abs().max() / expected.max()) < 0.02
    assert float(field.density(torch.zeros(1, 3))) > 10 * float(
        field.density(torch.tensor([[0.0, 1.0, 0.0]]))
    )


def test_parameters_depend_on_the_generator_alone():
    first, second, other = (RadianceField(CONFIG, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
        assert name.endswith(("bias", "_extra_state")) or not torch.equal(value, other.state_dict()[name])


def test_every_parameter_gets_a_gradient():
    field = RadianceField(CONFIG, torch.Generator().manual_seed(1))
    density, albedo = field.density_and_albedo(points())
    (density.sum() + albedo.sum()).backward()
    for value in field.parameters():
        assert value.grad is not None
        assert float(value.grad.abs().max()) > 0.0


def test_outputs_stay_finite_for_huge_parameters():
    field = RadianceField(CONFIG, torch.Generator().manual_seed(1))
    with torch.no_grad():
        field.table.mul_(1e6)
    density, albedo = field.density_and_albedo(points())
    assert bool(density.isfinite().all())
    assert float(density.min()) >= 0.0
    assert 0.0 <= float(albedo.min()) <= float(albedo.max()) <= 1.0
