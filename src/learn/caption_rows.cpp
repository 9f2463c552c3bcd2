#include "learn/caption_rows.h"

#include <algorithm>

#include "core/error.h"

namespace cp {
namespace {

at::Tensor longs(const std::vector<std::int64_t>& values) { return at::tensor(values, at::kLong); }

// Collects places while positions are written one after another.
class Writer {
 public:
  std::vector<std::int64_t> ids, visual_places, visual_rows, answer_places, labels, last_places;

  void prompt(const Prompt& prompt, std::int64_t sample) {
    const auto begin = static_cast<std::int64_t>(ids.size());
    ids.insert(ids.end(), prompt.ids.begin(), prompt.ids.end());
    for (std::int64_t i = 0; i < prompt.visual_count; ++i) {
      visual_places.push_back(begin + prompt.visual_begin + i);
      visual_rows.push_back(sample * prompt.visual_count + i);
    }
    last_ = static_cast<std::int64_t>(ids.size()) - 1;
  }
  void note_last() { last_places.push_back(last_); }
  // Behind the prompt that was written last.
  void caption(const std::vector<int>& caption) {
    CP_CHECK(!caption.empty(), "a caption has at least its end token");
    for (std::size_t i = 0; i < caption.size(); ++i) {
      answer_places.push_back(i == 0 ? last_ : static_cast<std::int64_t>(ids.size()) - 1);
      labels.push_back(caption[i]);
      if (i + 1 < caption.size()) ids.push_back(caption[i]);
    }
  }
  void pad_to(std::size_t length) { ids.resize(length, 0); }

  void fill(CaptionRows& rows) const {
    rows.visual_places = longs(visual_places);
    rows.visual_rows = longs(visual_rows);
    rows.answer_places = longs(answer_places);
    rows.labels = longs(labels);
    rows.last_places = longs(last_places);
  }

 private:
  std::int64_t last_ = 0;
};

}  // namespace

CaptionRows packed_rows(const std::vector<CaptionSample>& samples) {
  CaptionRows rows;
  Writer writer;
  for (std::size_t s = 0; s < samples.size(); ++s) {
    Segment segment{static_cast<std::int64_t>(samples[s].prompt->ids.size()), {}};
    writer.prompt(*samples[s].prompt, static_cast<std::int64_t>(s));
    writer.note_last();
    for (const std::vector<int>& caption : samples[s].captions) {
      writer.caption(caption);
      if (caption.size() > 1) segment.answers.push_back(static_cast<std::int64_t>(caption.size()) - 1);
    }
    rows.segments.push_back(std::move(segment));
  }
  rows.ids = longs(writer.ids).unsqueeze(0);
  writer.fill(rows);
  return rows;
}

CaptionRows padded_rows(const std::vector<CaptionSample>& samples) {
  std::size_t longest = 0, count = 0;
  for (const CaptionSample& sample : samples)
    for (const std::vector<int>& caption : sample.captions) {
      longest = std::max(longest, sample.prompt->ids.size() + caption.size() - 1);
      ++count;
    }
  CaptionRows rows;
  Writer writer;
  const at::Tensor real = at::zeros({static_cast<std::int64_t>(count), static_cast<std::int64_t>(longest)}, at::kBool);
  std::int64_t row = 0;
  for (std::size_t s = 0; s < samples.size(); ++s)
    for (std::size_t c = 0; c < samples[s].captions.size(); ++c, ++row) {
      const std::size_t begin = writer.ids.size();
      writer.prompt(*samples[s].prompt, static_cast<std::int64_t>(s));
      if (c == 0) writer.note_last();
      writer.caption(samples[s].captions[c]);
      real[row].slice(0, 0, static_cast<std::int64_t>(writer.ids.size() - begin)).fill_(true);
      writer.pad_to(begin + longest);
    }
  rows.ids = longs(writer.ids).view({row, -1});
  rows.real = real;
  writer.fill(rows);
  return rows;
}

at::Tensor hidden_states(const LanguageNet& language, const CaptionRows& rows, const at::Tensor& visual,
                         bool training) {
  const at::Device device = visual.device();
  const at::Tensor words = language.embed(rows.ids.to(device)).to(visual.scalar_type());  // (B T D)
  const std::int64_t width = words.size(2);
  const at::Tensor seen = visual.reshape({-1, width}).index_select(0, rows.visual_rows.to(device));
  const at::Tensor x = words.view({-1, width}).index_copy(0, rows.visual_places.to(device), seen).view(words.sizes());
  if (!rows.segments.empty()) return language.forward_packed(x, rows.segments, training).view({-1, width});
  KeyValues cache;
  return language.forward(x, cache, training, rows.real.to(device)).reshape({-1, width});
}

}  // namespace cp
