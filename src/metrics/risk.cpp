#include "metrics/risk.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "metrics/ratio.h"

namespace cp {

std::vector<double> selective_risks(std::vector<Judged> answers) {
  std::sort(answers.begin(), answers.end(),
            [](const Judged& a, const Judged& b) { return a.confidence > b.confidence; });
  std::vector<double> risks;
  double sum = 0;
  for (std::size_t first = 0; first < answers.size();) {
    std::size_t end = first;
    double loss = 0;
    for (; end < answers.size() && answers[end].confidence == answers[first].confidence; ++end)
      loss += answers[end].loss;
    loss /= static_cast<double>(end - first);
    for (; first < end; ++first) {
      sum += loss;
      risks.push_back(sum / static_cast<double>(risks.size() + 1));
    }
  }
  return risks;
}

double aurc(const std::vector<Judged>& answers) {
  const std::vector<double> risks = selective_risks(answers);
  return ratio(std::accumulate(risks.begin(), risks.end(), 0.0), static_cast<double>(risks.size()));
}

std::vector<RiskPoint> risk_curve(const std::vector<Judged>& answers) {
  const std::vector<double> risks = selective_risks(answers);
  std::vector<RiskPoint> points;
  for (std::size_t tenth = 1; tenth <= 10 && !risks.empty(); ++tenth) {
    const std::size_t kept = (tenth * risks.size() + 9) / 10;  // whole numbers: no rounding of 0.1 n
    points.push_back({static_cast<double>(tenth) / 10, risks[kept - 1]});
  }
  return points;
}

}  // namespace cp
