"""Self-attention over several views of one object at once (MVDream, Shi et al. 2023, arXiv 2308.16512, 3.1).

The weights are those of attention within one image: the views' tokens are laid side by side, so that every
token also sees the other views. Rays and view vectors, or embeddings of the cameras, tell the tokens apart.
"""

from collections.abc import Callable

from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import Tensor


class JointViewAttention(AttnProcessor):
    """Attention processor whose switch is an argument: cross_attention_kwargs={"num_views": 4}."""

    def __init__(self, attend: Callable[..., Tensor] | None = None) -> None:
        """Choose how to attend.

        Args:
            attend: A processor of diffusers; the plain one when None, which is faster than fused attention
                for 64 tokens on a CPU. With thousands of tokens it would hold all pairs of them in memory.
        """
        super().__init__()
        self.attend = attend or AttnProcessor()

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        num_views: int = 1,
    ) -> Tensor:
        """Attend, over `num_views` consecutive images together where no text is given to attend to.

        Args:
            attn: The layer.
            hidden_states: [B, N, C], B a multiple of `num_views`.
            encoder_hidden_states: [B, L, D] in cross-attention.
            attention_mask: As diffusers passes it.
            temb: As diffusers passes it.
            num_views: Images that see each other.

        Returns:
            [B, N, C].
        """
        shape = hidden_states.shape
        if encoder_hidden_states is None:
            hidden_states = hidden_states.reshape(-1, num_views * shape[1], shape[2])
        attended = self.attend(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        return attended.reshape(shape)
