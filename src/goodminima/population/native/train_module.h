// What Python calls to train: kernel.cpp includes this file among its functions.

using FrozenArrays = std::tuple<Size, Array<std::int64_t>, Array<float>>;  // hits, the members kept, their parameters

FrozenArrays as_arrays(const Frozen& frozen, Size parameters) {
    const auto size = static_cast<Size>(frozen.kept.size());
    Array<std::int64_t> members(size);
    Array<float> theta({size, parameters});
    Size i = 0;
    for (const auto& [member, row] : frozen.kept) {
        members.mutable_data()[i] = member;
        std::copy(row.begin(), row.end(), theta.mutable_data() + i * parameters);
        ++i;
    }
    return {frozen.hits, members, theta};
}

Schedule schedule_of(const Array<std::int64_t>& rows, const std::vector<Size>& batches, Size num_images) {
    Schedule schedule{rows.data(), {0}};
    for (const Size batch : batches) {
        check(batch >= 1, "batches must hold at least one image each");
        schedule.begins.push_back(schedule.begins.back() + batch);
    }
    check(rows.ndim() == 1 && schedule.begins.back() == rows.size(),
          "rows must hold the images of all batches, one batch after the other");
    for (Size i = 0; i < rows.size(); ++i)
        check(rows.data()[i] >= 0 && rows.data()[i] < num_images, "rows names an image that x does not hold");
    return schedule;
}

// Tells Python how far it is, and stops where Python wants to.
Training::Listener listener_of(const py::function& listen) {
    return [&listen](const Trained& trained) {
        const py::gil_scoped_acquire hold;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        std::vector<Size> hits;
        for (const Frozen& frozen : trained.bins) hits.push_back(frozen.hits);
        listen(trained.finished, hits);
    };
}

std::pair<std::vector<FrozenArrays>, Size> train(
    const std::string& set, const py::sequence& layers, const std::vector<Size>& input_shape, const Array<float>& theta,
    const std::vector<std::pair<Size, Size>>& weights, double unit, const Array<float>& images,
    const Array<std::int64_t>& labels, const Array<std::int64_t>& rows, const std::vector<Size>& batches, float rate,
    float momentum, const std::vector<std::tuple<float, float, Size>>& bins, const py::function& listen) {
    check(theta.ndim() == 2, "theta must have two axes, (members, parameters)");
    const Size parameters = theta.shape(1), num_images = images.shape(0);
    const Program program = parse(layers, input_shape, parameters, true, false);
    check(images.size() == num_images * program.input_size, "x does not hold whole images of input_shape");
    check_labels(labels, num_images, program.output_size);
    const Schedule schedule = schedule_of(rows, batches, num_images);
    const Size largest = batches.empty() ? 1 : *std::max_element(batches.begin(), batches.end());
    const GradientPlan plan(parse(layers, input_shape, parameters, false, false), std::min(max_together, largest));
    Lesson lesson{program,  plan, images.data(), labels.data(), num_images, schedule,
                  {rate, momentum, cut(weights, parameters), unit}, {}, theta.data(), theta.shape(0)};
    for (const auto& [above, below, room] : bins) lesson.bins.push_back({above, below, room});
    Trained trained;
    {
        const py::gil_scoped_release release;
        trained = Training(engine_named(set), lesson, listener_of(listen)).run();
    }
    std::vector<FrozenArrays> found;
    for (const Frozen& frozen : trained.bins) found.push_back(as_arrays(frozen, parameters));
    return {found, trained.nonfinite};
}
