// Golden comparison with TensorBoard's own writer (tests/oracle/report_events.py).
#include "report/event_file.h"

#include "core/file.h"
#include "report/report.h"
#include "support/test_support.h"

namespace cp {
namespace {

Json golden() { return read_json(test::golden("report/events.json"), ErrorKind::data); }
std::string golden_bytes() {
  return read_file(test::golden("report/events.out.tfevents.golden"), 1 << 20, ErrorKind::data);
}

std::string written(const Json& lines, double shift = 0) {
  const Json g = golden();
  EventWriter writer(g.at("start").get<double>());
  for (std::size_t i = 0; i < lines.size(); ++i) writer.add_line(lines[i], g.at("times")[i].get<double>() + shift);
  return writer.take();
}

TEST(EventFile, EqualsTensorBoardsBytes) {
  EXPECT_EQ(written(golden().at("lines")), golden_bytes());
  EXPECT_EQ(golden().at("scalars").size(), 6u) << "TensorBoard's reader found every number";
}

TEST(EventFile, PlantedFaultsWouldBeSeen) {
  Json lines = golden().at("lines");
  EXPECT_NE(written(lines, 1e-6), golden_bytes());
  lines[0]["loss"] = 7.117;
  EXPECT_NE(written(lines), golden_bytes());
}

TEST(EventFile, ChecksumsAreTensorBoards) {
  int seen = 0;
  const Json rows = golden().at("checksums");
  for (const Json& row : rows) {
    const std::string text = row[0];
    EXPECT_EQ(crc32c(text), row[1].get<std::uint32_t>()) << text;
    EXPECT_EQ(masked_crc32c(text), row[2].get<std::uint32_t>()) << text;
    if (!text.empty()) {
      EXPECT_NE(crc32c(text), masked_crc32c(text));
    }
    ++seen;
  }
  EXPECT_EQ(seen, 5);
}

TEST(EventFile, LeavesOutWhatIsNoFiniteNumber) {
  EventWriter writer(1);
  writer.take();
  writer.add_line(Json{{"step", 3}, {"a", nullptr}, {"b", "x"}, {"c", NAN}, {"d", INFINITY}, {"e", {1, 2}}}, 2);
  writer.add_line(Json::array({1, 2}), 2);
  EXPECT_EQ(writer.take(), "") << "a line without a number gives no event";
}

TEST(EventFile, ALogBecomesOneFile) {
  const TrainingLog log = parse_training("run", "{\"step\":1,\"stage\":\"map\",\"loss\":2.5}\n{\"step\":2,\"sta", "");
  EXPECT_EQ(log.damaged, 1);
  EventWriter wanted(7);
  wanted.add(1, 7, {{"map/loss", 2.5}});
  EXPECT_EQ(tensorboard_events(log, 7), wanted.take());
}

}  // namespace
}  // namespace cp
