// The chain rule over a net, for one instruction set: instruction_set.inl includes this file, see there for the names
// it sets.

// From logits to the gradient of `share` x the cross entropy: share (p_c - [c = label]); exactly 0 where `share` is.
LANES_INLINE void softmax_gradient(const Floats* logits, Size classes, Ints label, Floats share, Floats* gradient) {
    Floats largest = logits[0], others = {}, total = {};
    for (Size c = 1; c < classes; ++c) largest = larger(largest, logits[c]);
    for (Size c = 0; c < classes; ++c) {
        const Floats power = exponential(logits[c] - largest);
        // What is this small moves no weight, but products that end among the subnormal numbers take very long.
        gradient[c] = choose(power < 1e-30f, Floats{}, power);
        total += gradient[c];
        others += choose(label == static_cast<std::int32_t>(c), Floats{}, gradient[c]);
    }
    const Floats factor = share / total;
    for (Size c = 0; c < classes; ++c) {
        const Floats part = choose(label == static_cast<std::int32_t>(c), -others, gradient[c]);
        gradient[c] = choose(share == 0.0f, Floats{}, part * factor);
    }
}

// What goes into spatial stage `i` for one image, or comes out of the last: an image, or what a stage before has kept.
LANES_INLINE float* kept_before(const GradientPlan& plan, Size i, Size image, const GradientSpace& space) {
    const auto previous = static_cast<std::size_t>(i - 1);
    const Size offset = plan.spatial[previous].kept + image * plan.program.spatial[previous].out.size();
    return space.kept.get() + offset * LANES;
}

LANES_INLINE const float* input_of(const GradientPlan& plan, Size i, Size image, const float* images,
                                   const GradientSpace& space) {
    return i == 0 ? images + image * image_floats(plan.program) : kept_before(plan, i, image, space);
}

// Keeps the output of every stage. Returns the logits.
LANES_TARGET static const Floats* forward(const GradientPlan& plan, const float* images, Size count,
                                          GradientSpace& space) {
    const Floats* theta = floats(space.theta, 0);
    const Size stages = static_cast<Size>(plan.spatial.size());
    for (Size image = 0; image < count; ++image)
        for (Size i = 0; i < stages; ++i)
            run_spatial(plan.program.spatial[static_cast<std::size_t>(i)], theta,
                        input_of(plan, i, image, images, space), kept_before(plan, i + 1, image, space), nullptr);
    const float* in = input_of(plan, stages, 0, images, space);
    for (std::size_t s = 0; s < plan.flat.size(); ++s) {
        Floats* out = floats(space.kept, plan.flat[s].kept);
        const Stage& stage = plan.program.flat[s];
        if (stage.shared_input) run_linear(stage, theta, in, out, count);
        else run_linear(stage, theta, reinterpret_cast<const Floats*>(in), out, count);
        in = reinterpret_cast<const float*>(out);
    }
    return reinterpret_cast<const Floats*>(in);
}

// Backwards through the linear layers, all images at once, from the logits' gradient in `space.flat[0]`. Returns the
// features' gradient, if there are weights before them.
LANES_TARGET static const Floats* flat_backward(const GradientPlan& plan, const float* features, Size count, bool add,
                                                GradientSpace& space) {
    const Floats* theta = floats(space.theta, 0);
    Floats *field = floats(space.flat[0], 0), *spare = floats(space.flat[1], 0), *gradient = floats(space.gradient, 0);
    for (std::size_t s = plan.flat.size(); s-- > 0;) {
        const Stage& stage = plan.program.flat[s];
        const FlatStep& step = plan.flat[s];
        const Floats* output = floats(space.kept, step.kept);
        for (Size i = 0; stage.relu_before_pool && i < count * stage.out.size(); ++i)
            field[i] = rectify(field[i], output[i]);
        const float* in = s > 0 ? space.kept.get() + plan.flat[s - 1].kept * LANES : features;
        if (stage.shared_input) linear_weights(stage, step, in, field, count, gradient, add);
        else linear_weights(stage, step, reinterpret_cast<const Floats*>(in), field, count, gradient, add);
        if (s == 0 && !plan.features_matter()) break;
        linear_input(stage, step, theta, field, count, spare);
        std::swap(field, spare);
    }
    return field;
}

// From a gradient without margins into a field; only where `relu` is positive, if that is not null.
LANES_TARGET static void fill_field(const Field& field, const Floats* in, const Floats* relu, Floats* out) {
    for (Size row = 0; row < field.shape.channels * field.shape.height; ++row)
        for (Size x = 0; x < field.shape.width; ++x) {
            const Size i = row * field.shape.width + x;
            out[row * field.pitch() + field.margin + x] = relu ? rectify(in[i], relu[i]) : in[i];
        }
}

LANES_TARGET static void rectify_field(const Field& field, const Floats* relu, Floats* entries) {
    for (Size row = 0; row < field.shape.channels * field.shape.height; ++row)
        for (Size x = 0; x < field.shape.width; ++x) {
            Floats& entry = entries[row * field.pitch() + field.margin + x];
            entry = rectify(entry, relu[row * field.shape.width + x]);
        }
}

// Backwards through spatial stage `i`, one image.
LANES_TARGET static void stage_backward(const GradientPlan& plan, Size i, Size image, const float* images, bool add,
                                        GradientSpace& space) {
    const auto s = static_cast<std::size_t>(i);
    const Stage& stage = plan.program.spatial[s];
    const SpatialStep& step = plan.spatial[s];
    const float* in = input_of(plan, i, image, images, space);
    const Floats* members_in = reinterpret_cast<const Floats*>(in);
    const Floats* output = reinterpret_cast<const Floats*>(kept_before(plan, i + 1, image, space));
    Floats *field = floats(space.fields, step.field.offset), *gradient = floats(space.gradient, 0);
    if (stage.kind == StageKind::dense) {
        if (stage.relu_before_pool && !step.pool_rectifies) rectify_field(step.field, output, field);
        if (stage.shared_input) convolution_weights(stage, step, in, field, gradient, add);
        else convolution_weights(stage, step, members_in, field, gradient, add);
    }
    if (i == plan.first_weights) return;
    const SpatialStep& previous = plan.spatial[s - 1];
    Floats* out = floats(space.fields, previous.field.offset);
    switch (stage.kind) {
        case StageKind::dense:
            convolution_input(stage, step, floats(space.theta, 0), field, previous.field, out);
            break;
        case StageKind::pool: pool_input(stage, members_in, previous.pool_rectifies, field, previous.field, out); break;
        case StageKind::pad: pad_input(stage, field, previous.field, out); break;
        case StageKind::relu: fill_field(previous.field, field, output, out); break;
        case StageKind::spread: break;  // never behind weights
    }
}

// From the logits' gradients in `space.flat[0]` to the gradient of the parameters.
LANES_TARGET static void backward(const GradientPlan& plan, const float* images, Size count, bool add,
                                  GradientSpace& space) {
    const Size stages = static_cast<Size>(plan.spatial.size());
    const Floats* features = flat_backward(plan, input_of(plan, stages, 0, images, space), count, add, space);
    for (Size image = 0; plan.features_matter() && image < count; ++image) {
        const Field& last = plan.spatial.back().field;
        fill_field(last, features + image * plan.program.feature_size, nullptr, floats(space.fields, last.offset));
        for (Size i = stages - 1; i >= plan.first_weights; --i)
            stage_backward(plan, i, image, images, add || image > 0, space);
    }
}

LANES_TARGET static void gradient(const GradientPlan& plan, const float* images, const std::int64_t* labels, Size count,
                                  float share, bool add, GradientSpace& space) {
    const Floats* logits = forward(plan, images, count, space);
    const Size classes = plan.program.output_size;
    for (Size image = 0; image < count; ++image)
        softmax_gradient(logits + image * classes, classes, Ints{} + static_cast<std::int32_t>(labels[image]),
                         Floats{} + share, floats(space.flat[0], image * classes));
    backward(plan, images, count, add, space);
}
