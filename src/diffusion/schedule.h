#pragma once
// In:  the name of a noise schedule, a number of steps.
// Out: accumulated alphas A_t, lists of kept timesteps.
// Not here: sampling (sampler.h), networks.

#include <string>
#include <vector>

namespace cp {

// linear: beta 1e-4 .. 0.02 over T, rescaled by 1000/T (DDPM section 4); squared_cosine: IDDPM eq. 17, s = 0.008.
enum class ScheduleKind { linear, squared_cosine };
enum class Spacing { leading, trailing, linspace, quadratic, log_snr };
ScheduleKind parse_schedule(const std::string& name);  // "linear", "squared_cosine"; throws UserError(usage)
Spacing parse_spacing(const std::string& name);

// A_t = prod_{s<=t} (1 - beta_s), t = 0 .. T-1, in double.
std::vector<double> accumulated_alphas(ScheduleKind kind, int train_steps = 1000);

// Half the log signal-to-noise ratio, lambda = 1/2 ln(A / (1 - A)), for 0 < A < 1 (DPM-Solver).
double half_log_snr(double alpha);

// How the K kept timesteps are spread (T train steps):
//   leading    0, T/K, 2 T/K ... (T/K rounded down; never reaches the last step)
//   trailing   T-1 downwards in strides of T/K (Lin et al. 2305.08891, Table 2)
//   linspace   0 to T-1 in equal strides
//   quadratic  T (i/K)^2 - 1, i = 1 .. K (dense near the clean end)
//   log_snr    equal strides of half_log_snr from the first to the last step, rounded towards the clean end
// K = T keeps every step. K timesteps, strictly falling, each in [0, T). Throws UserError(usage) unless 1 <= K <= T.
std::vector<int> respace(Spacing spacing, int steps, const std::vector<double>& alphas);

}  // namespace cp
