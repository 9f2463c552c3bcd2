#include "data/chinese_directions.h"

#include <algorithm>
#include <string>
#include <vector>

#include "data/pair_captions.h"
#include "support/test_support.h"

namespace cp {
namespace {

const std::vector<std::pair<int, bool>> kViews = {{0, false}, {1, false}, {2, false}, {3, false},
                                                  {0, true},  {1, true},  {2, true},  {3, true}};

std::string rewritten(const std::string& caption, int turns, bool mirror = false) {
  return rewrite_chinese_directions(caption, direction_map(turns, mirror)).value_or("<none>");
}

// Every sentence of the captions in the repository.
std::vector<std::string> sentences() {
  const std::filesystem::path file = test::source_dir() / "data/levir-mini-zh/captions.jsonl";
  std::vector<std::string> out;
  for (int number = 0; number < 3000; ++number)
    for (const char* split : {"train", "val"})
      for (const char* set : {"train", "val", "test"}) {
        static const PairCaptions captions = PairCaptions::read(file);
        PairRecord record;
        record.split = split;
        record.name = std::string(set) + "_" + std::string(6 - std::to_string(number).size(), '0') +
                      std::to_string(number) + ".png";
        record.changeflag = 1;
        const auto& found = captions.of(record);
        out.insert(out.end(), found.begin(), found.end());
      }
  return out;
}

TEST(ChineseDirections, AreRewrittenAsByHand) {
  const struct {
    const char *caption, *turned, *half_turned, *mirrored;
  } kCases[] = {
      {"左侧的空地上新建了几栋房屋。", "下方的空地上新建了几栋房屋。", "右侧的空地上新建了几栋房屋。",
       "右侧的空地上新建了几栋房屋。"},
      {"下方出现一条道路，许多别墅整齐地建在道路两侧。", "右侧出现一条道路，许多别墅整齐地建在道路两侧。",
       "上方出现一条道路，许多别墅整齐地建在道路两侧。", "下方出现一条道路，许多别墅整齐地建在道路两侧。"},
      {"左边的部分树木消失，出现了三栋房屋。", "下边的部分树木消失，出现了三栋房屋。",
       "右边的部分树木消失，出现了三栋房屋。", "右边的部分树木消失，出现了三栋房屋。"},
      {"右下角修建了一条道路，裸地上长出了植被。", "右上角修建了一条道路，裸地上长出了植被。",
       "左上角修建了一条道路，裸地上长出了植被。", "左下角修建了一条道路，裸地上长出了植被。"},
      {"画面上边缘出现了两栋房屋。", "画面左边缘出现了两栋房屋。", "画面下边缘出现了两栋房屋。",
       "画面上边缘出现了两栋房屋。"},
      {"裸地上的树木增多，右侧出现一条小路。", "裸地上的树木增多，上方出现一条小路。",
       "裸地上的树木增多，左侧出现一条小路。", "裸地上的树木增多，左侧出现一条小路。"},
      {"道路左右两侧建满了房屋。", "道路上下两侧建满了房屋。", "道路左右两侧建满了房屋。", "道路左右两侧建满了房屋。"},
      {"左上角和右上角各建了一栋房屋。", "左下角和左上角各建了一栋房屋。", "右下角和左下角各建了一栋房屋。",
       "右上角和左上角各建了一栋房屋。"},
      {"道路上方和右侧新建了房屋。", "道路左侧和上方新建了房屋。", "道路下方和左侧新建了房屋。",
       "道路上方和左侧新建了房屋。"},
      {"空地上建起了房屋。", "空地上建起了房屋。", "空地上建起了房屋。", "空地上建起了房屋。"},
      {"空地上方形的池塘消失了。", "空地上方形的池塘消失了。", "空地上方形的池塘消失了。", "空地上方形的池塘消失了。"},
      {"剩下的树木在河流之上。", "剩下的树木在河流之上。", "剩下的树木在河流之上。", "剩下的树木在河流之上。"},
      {"图像左半部的树林消失了。", "图像下半部的树林消失了。", "图像右半部的树林消失了。", "图像右半部的树林消失了。"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(rewritten(c.caption, 1), c.turned);
    EXPECT_EQ(rewritten(c.caption, 2), c.half_turned);
    EXPECT_EQ(rewritten(c.caption, 0, true), c.mirrored);
    EXPECT_EQ(rewritten(c.caption, 0), c.caption);
  }
}

TEST(ChineseDirections, WhatIsNotUnderstoodIsDropped) {
  for (const char* caption :
       {"道路向上延伸。", "车辆左转。", "东南角新建了房屋。", "上部的树木消失了。", "左，新建了房屋。", "上左角有树。",
        "上面新建了房屋 on the left", "下有河流。", "两条竖直的道路。", "\xe5\xb7"})
    for (const auto& [turns, mirror] : kViews) {
      if (turns == 0 && !mirror) continue;
      EXPECT_EQ(rewritten(caption, turns, mirror), "<none>") << caption;
    }
  // No counterpart on the other axis, or no axis of the image: only quarter turns.
  for (const char* caption : {"上侧新建了房屋。", "左方新建了房屋。", "新建了十栋左右的房屋。"}) {
    EXPECT_EQ(rewritten(caption, 1), "<none>") << caption;
    EXPECT_NE(rewritten(caption, 2), "<none>") << caption;
  }
}

TEST(ChineseDirections, EverySentenceOfTheDataSurvivesEveryView) {
  const std::vector<std::string> all = sentences();
  ASSERT_EQ(all.size(), 890u);
  int changed = 0;
  for (const std::string& sentence : all) {
    for (const auto& [turns, mirror] : kViews) {
      const std::string there = rewritten(sentence, turns, mirror);
      ASSERT_NE(there, "<none>") << sentence;
      changed += there != sentence;
      // Characters are exchanged, none is added or lost, and the way back leads to the sentence.
      EXPECT_EQ(there.size(), sentence.size()) << there;
      const DirectionMap back = mirror ? direction_map(turns, true) : direction_map((4 - turns) % 4, false);
      EXPECT_EQ(rewrite_chinese_directions(there, back), sentence) << there;
    }
    std::string turned = sentence, mirrored = sentence;
    for (int turn = 0; turn < 4; ++turn) turned = rewritten(turned, 1);
    for (int turn = 0; turn < 2; ++turn) mirrored = rewritten(mirrored, 0, true);
    EXPECT_EQ(turned, sentence);
    EXPECT_EQ(mirrored, sentence);
    EXPECT_EQ(rewritten(rewritten(sentence, 1), 0, true), rewritten(sentence, 1, true));
  }
  EXPECT_GT(changed, 7 * 200);  // most of the sentences name a place
}

}  // namespace
}  // namespace cp
