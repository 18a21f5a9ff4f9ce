"""Autoencoder, variational autoencoder and conditional variational autoencoder: one network, one loss.

The three differ in three terms of the loss, so they are one class with a `kind`:

    AE      D/2 log MSE
    VAE     D/2 log MSE + KL(q(z|x) || N(0, I))                           Kingma and Welling (2013), eq. 10
    CVAE    D/2 log MSE + KL(q(z|x) || N(c w, I)) + 100 (s(z) - c)^2      Sohn et al. (2015), eq. 4, prior p(z|c)

D/2 log MSE is the Gaussian reconstruction term, summed over the D pixel values of a picture, at its optimal decoder
variance (sigma-VAE, Rybkin et al., 2021, eq. 7); it balances itself against the KL, so there is no beta to tune.
c is the degree of smile, w the direction in which the prior's mean moves with it, and s(z) = r.z + b a linear
read-out that makes z tell the smile.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from model.networks import Decoder, Encoder

Kind = Literal["ae", "vae", "cvae"]
SMILE_WEIGHT = 100.0


class Terms(NamedTuple):
    """The loss of a batch and its parts, each a scalar: nats per picture, but `mse` per pixel value."""

    loss: Tensor
    mse: Tensor
    kl: Tensor
    smile: Tensor


def kl_divergence(mu: Tensor, log_var: Tensor, prior_mu: Tensor | float = 0.0) -> Tensor:
    """KL(N(mu, diag exp log_var) || N(prior_mu, I)) in nats: (B, Z) -> (B,)."""
    return 0.5 * ((mu - prior_mu).square() + log_var.exp() - 1 - log_var).sum(dim=1)


class CVAE(nn.Module):
    """p(z|c) = N(c w, I), q(z|x), p(x|z), and the read-out s(z) = r.z + b."""

    def __init__(self, size: int, latent: int, width: int, kind: Kind = "cvae") -> None:
        super().__init__()
        self.kind = kind
        self.encoder = Encoder(size, latent, width)
        self.decoder = Decoder(size, latent, width)
        if kind == "cvae":
            self.prior = nn.Linear(1, latent, bias=False)
            self.smile = nn.Linear(latent, 1)
            nn.init.zeros_(self.prior.weight)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x (B, 3, S, S) in [0, 1], noise (B, Z) ~ N(0, 1) -> recon (B, 3, S, S), z, mu, log_var (B, Z)."""
        z, mu, log_var = self.encode(x, noise)
        return self.decoder(z), z, mu, log_var

    def encode(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, 3, S, S) in [0, 1], noise (B, Z) ~ N(0, 1) -> z ~ q(z|x), mu, log_var (B, Z)."""
        mu, log_var = self.encoder(x)  # (B, Z), (B, Z)
        return mu if self.kind == "ae" else mu + (0.5 * log_var).exp() * noise, mu, log_var

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, 3, S, S) in [0, 1] -> mean and variance (B, Z) of q(z|x), float32; of an AE the variance is 0."""
        mu, log_var = (half.float() for half in self.encoder(x))
        return mu, torch.zeros_like(mu) if self.kind == "ae" else log_var.exp()

    def terms(self, x: Tensor, c: Tensor, noise: Tensor, mean: Callable[[Tensor], Tensor] | None = None) -> Terms:
        """The loss on pictures x (B, 3, S, S) with degrees c (B,); an unknown degree is NaN and teaches no smile.

        Where x is one of several parts of a batch, `mean` turns the MSE of a part into that of the batch: the logarithm
        comes after the mean.
        """
        recon, z, mu, log_var = self(x, noise)
        mse = (recon - x).square().mean()
        if mean is not None:
            mse = mean(mse)
        loss = 0.5 * x[0].numel() * mse.log()
        kl = smile = torch.zeros((), device=x.device)
        if self.kind != "ae":
            known = c.isfinite()
            c = c.nan_to_num()
            prior_mu = self.prior(c[:, None]) if self.kind == "cvae" else 0.0
            kl = kl_divergence(mu, log_var, prior_mu).mean()
            if self.kind == "cvae":
                error = torch.where(known, self.smile(z).float()[:, 0] - c, 0)
                smile = SMILE_WEIGHT * error.square().mean()
        return Terms(loss + kl + smile, mse, kl, smile)
