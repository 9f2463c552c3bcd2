#include "metrics/caption.h"

#include "metrics/caption_sums.h"

namespace cp {

CaptionScores score_captions(const std::vector<std::vector<std::string>>& references,
                             const std::vector<std::string>& captions) {
  return total(sum_captions(references, captions, CaptionSplitter(CaptionProtocol::text)));
}

}  // namespace cp
