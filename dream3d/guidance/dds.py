"""Delta denoising score: edit what two prompts say differently, and leave the rest.

Hertz et al. 2023 (arXiv 2304.07090): what SDS wants changed in a picture that fits its prompt already is
noise and bias. What it wants changed in the original, asked with the original's prompt under the same noise,
is subtracted; the edit is left.
"""

from dream3d.guidance.question import Comparison, Question


def dds(question: Question, original: Question) -> Comparison:
    """The noise prediction against that of the original picture and prompt, noise and level the same.

    In clean latents: the edited picture should be the original plus what the prior believes of the one more
    than of the other. Neither is guided, unlike in the paper: the difference of two texts is the direction
    already, and a scale above 1 takes it too far (by scripts/eval_edit.py, a yellow beyond yellow).

    Args:
        question: The picture as it is now, and the prompt it should fit.
        original: The picture as it was, and the prompt it fits.
    """
    noise = question.fresh_noise()
    (target,) = question.ask(question.noised(noise), question.timestep, "text")
    (before,) = original.ask(original.noised(noise), original.timestep, "text")
    question.evaluations += original.evaluations
    return Comparison(target, question.clean - original.clean + before)
