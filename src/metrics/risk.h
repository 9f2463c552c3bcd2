#pragma once
// In:  answers with a confidence and a loss.
// Out: the risk of those that are kept when the least confident ones are given up, at every share kept.
// Not here: what confidence and loss are (evaluate.h), intervals (bootstrap.h).

#include <vector>

namespace cp {

struct Judged {
  double confidence = 0;  // larger = surer; any scale
  double loss = 0;
};

struct RiskPoint {
  double coverage = 0, risk = 0;  // share kept, mean loss of those kept
};

// Mean loss of the k most confident, k = 1 .. n. Answers of equal confidence are in no order: each counts with the mean
// loss of its equals.
std::vector<double> selective_risks(std::vector<Judged> answers);

// Area under the risk-coverage curve: the mean over k of the risk of the k most confident (Geifman, Uziel and El-Yaniv,
// ICLR 2019). Without skill it is the risk of all. NaN for no answers.
double aurc(const std::vector<Judged>& answers);

// The curve at coverage 0.1, 0.2 .. 1.0: the risk of the ceil(coverage n) most confident. Empty for no answers.
std::vector<RiskPoint> risk_curve(const std::vector<Judged>& answers);

}  // namespace cp
