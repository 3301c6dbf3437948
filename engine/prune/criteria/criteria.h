// The criteria that come with the engine, a file each (those that are one thing but for a detail share one).
#pragma once

#include <memory>

#include "secateur/prune/criterion.h"

namespace secateur {

[[nodiscard]] std::unique_ptr<Criterion> make_unified_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_l1_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_l2_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_correlation_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_bn_scale_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_random_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_taylor_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_geometric_median_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_capped_l1_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_lamp_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_apoz_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_activation_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_hrank_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_entropy_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_group_norm_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_snip_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_obd_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_corrnet_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_prf_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_hbfp_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_lfpc_criterion(const CriterionOptions& options);
[[nodiscard]] std::unique_ptr<Criterion> make_filter_sketch_criterion(const CriterionOptions& options);

// Several producers' values as one: each min-max normalised by itself, then reduced, since raw values would
// let 1x1 shortcuts, whose fan-in is small, dominate. The result is normalised again (Eq. 12).
[[nodiscard]] std::vector<double> reduced(const std::vector<std::vector<double>>& of_producer,
                                          ProducerReduction reduction);

// L1hat: Eqs. 1, 2 and 12.
[[nodiscard]] std::vector<double> normalized_magnitude(const SpaceStatistics& space,
                                                       ProducerReduction reduction);

}  // namespace secateur
