"""Score distillation sampling, and what became of it by leaving terms out.

All three ask about the render under fresh noise and differ in what they compare the guided answer with. In
noise predictions, with e_y given the text and e_0 without, guidance is e_0 + s (e_y - e_0).
"""

from dream3d.guidance.question import Comparison, Question

LOW_NOISE = 0.2  # Share of the timesteps.


def sds(question: Question) -> Comparison:
    """Guided noise prediction against the noise that was added: e_0 + s (e_y - e_0) - e.

    Poole et al. 2022 (DreamFusion, arXiv 2209.14988, equation 3). The weight makes it theirs (`sigma2`),
    score Jacobian chaining (`uniform`; Wang et al. 2023, arXiv 2212.00774) or the distance to the
    clean image that the prior believes in (`x0`; MVDream, Shi et al. 2023, arXiv 2308.16512, section 4.2).
    """
    noisy = question.noised(question.fresh_noise())
    target, _ = question.guided(noisy, question.timestep)
    return Comparison(target)


def csd(question: Question) -> Comparison:
    """Guidance alone: s (e_y - e_0), e_0 given the negative prompt if there is one.

    Yu et al. 2023 (classifier score distillation, arXiv 2310.19415): what pulls an image towards
    the text is the implicit classifier; the rest of SDS only smooths.
    """
    noisy = question.noised(question.fresh_noise())
    target, negative = question.guided(noisy, question.timestep)
    return Comparison(target, question.bounded(negative))


def nfsd(question: Question) -> Comparison:
    """Guidance plus a correction towards real images: d + s (e_y - e_0), without the noise in SDS.

    Katzir et al. 2023 (noise-free score distillation, arXiv 2310.17590): d is e_0 itself at low
    noise, where it holds no more than what is unreal in the render, and e_0 - e_negative above, where the
    negative prompt says what to leave. Without a negative prompt that part vanishes.
    """
    noisy = question.noised(question.fresh_noise())
    text, null, negative = question.ask(noisy, question.timestep, "text", "null", "negative")
    target = question.guide(text, null, question.timestep)
    if question.timestep < LOW_NOISE * len(question.prior.alphas_cumprod):
        signal_scale, _ = question.coefficients(question.timestep)
        return Comparison(target, noisy / signal_scale)  # what x_t would be the image of with no noise in it
    return Comparison(target, question.bounded(negative))
