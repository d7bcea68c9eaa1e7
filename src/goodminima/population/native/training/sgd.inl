// Steps of gradient descent, for one instruction set: instruction_set.inl includes this file, see there for the names it
// sets. Each lane is shown an image of its own, and takes its steps when it is ready for them.

// An image moves no weight once the other classes have less than this share of the probability: float32 cannot tell it
// from 1, and PyTorch's gradient is 0 or noise there.
constexpr float negligible = 0x1p-24f;

LANES_INLINE Ints mask_of(std::uint32_t bits) {
    Ints mask = {};
    for (int lane = 0; lane < LANES; ++lane) mask[lane] = -static_cast<std::int32_t>(bits >> lane & 1u);
    return mask;
}

// As `score`, with a label per lane; `doubt` is the odds against the label without normalisation. What is not a number
// is not right.
LANES_TARGET static Classified classify(const float* logits, Size num_classes, const std::int32_t* labels,
                                        const float* scales, float* losses) {
    const Floats* z = reinterpret_cast<const Floats*>(logits);
    const Ints label = *reinterpret_cast<const Ints*>(labels);
    const Floats scale = *reinterpret_cast<const Floats*>(scales);
    Floats own = {}, best = Floats{} - HUGE_VALF, doubt = {}, others = {};
    for (Size c = 0; c < num_classes; ++c) own = choose(label == static_cast<std::int32_t>(c), z[c], own);
    for (Size c = 0; c < num_classes; ++c) {
        const Ints is_label = label == static_cast<std::int32_t>(c);
        best = choose(is_label, best, larger(best, z[c]));
        doubt += choose(is_label, Floats{}, exponential(z[c] - own));
        others += choose(is_label, Floats{}, exponential(scale * (z[c] - own)));
    }
    *reinterpret_cast<Floats*>(losses) = log_one_plus(others);
    return {bits_of((own > best) & (doubt >= 0.0f)), bits_of(doubt < negligible)};
}

LANES_TARGET static void accumulate(const GradientPlan& plan, const float* images, const std::int32_t* labels,
                                    Size count, const float* shares, const float* scale, GradientSpace& space,
                                    Classified* classified, float* losses) {
    const Floats* logits = forward(plan, images, count, space);
    const Size classes = plan.program.output_size;
    const Floats share = *reinterpret_cast<const Floats*>(shares);
    for (Size image = 0; image < count; ++image) {
        const Floats* answers = logits + image * classes;
        const std::int32_t* label = labels + image * LANES;
        classified[image] =
            classify(reinterpret_cast<const float*>(answers), classes, label, scale, losses + image * LANES);
        softmax_gradient(answers, classes, *reinterpret_cast<const Ints*>(label),
                         choose(mask_of(classified[image].saturated), Floats{}, share),
                         floats(space.flat[0], image * classes));
    }
    backward(plan, images, count, true, space);
}

struct Movement {
    Ints movers, changed, moving;
};

// Parameters begin .. end - 1 take their step; the sum of the squares of what they become.
template <bool Momentum>
LANES_INLINE Floats step_some(const Sgd& sgd, Size begin, Size end, Floats* theta, Floats* velocity, Floats* gradient,
                              Movement& movement) {
    const float rate = sgd.rate, momentum = sgd.momentum;
    const Ints movers = movement.movers;
    Floats squares = {};
    for (Size i = begin; i < end; ++i) {
        Floats speed = choose(movers, gradient[i], Floats{});
        if (Momentum) {
            speed = momentum * velocity[i] + speed;
            speed = choose(larger(speed, -speed) < 1e-30f, Floats{}, speed);  // subnormal numbers take very long
            speed = choose(movers, speed, velocity[i]);
            velocity[i] = speed;
            movement.moving |= speed != 0.0f;
            speed = choose(movers, speed, Floats{});
        }
        const Floats before = theta[i], after = before - rate * speed;
        theta[i] = after;
        gradient[i] = choose(movers, Floats{}, gradient[i]);
        movement.changed |= (Ints)before ^ (Ints)after;
        squares += after * after;
    }
    return squares;
}

LANES_TARGET static StepResult step(const Sgd& sgd, std::uint32_t movers, float* theta_floats, float* velocity_floats,
                                    float* gradient_floats, float* scale) {
    constexpr Size stretch = 512;  // as in `draw`
    Floats *theta = reinterpret_cast<Floats*>(theta_floats), *velocity = reinterpret_cast<Floats*>(velocity_floats),
           *gradient = reinterpret_cast<Floats*>(gradient_floats);
    Movement movement{mask_of(movers), {}, {}};
    double normaliser[LANES], everything[LANES] = {};
    std::fill(normaliser, normaliser + LANES, 1.0);
    for (const ParameterRange& range : sgd.normaliser->ranges) {
        double total[LANES] = {};
        for (Size begin = range.begin; begin < range.end; begin += stretch) {
            const Size end = std::min(begin + stretch, range.end);
            const Floats squares = velocity == nullptr
                                       ? step_some<false>(sgd, begin, end, theta, velocity, gradient, movement)
                                       : step_some<true>(sgd, begin, end, theta, velocity, gradient, movement);
            for (int lane = 0; lane < LANES; ++lane) total[lane] += squares[lane];
        }
        for (int lane = 0; lane < LANES; ++lane) {
            everything[lane] += total[lane];
            if (range.normed) normaliser[lane] *= std::sqrt(total[lane]) / sgd.normaliser->unit;
        }
    }
    std::uint32_t finite = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        const float inverse = static_cast<float>(1.0 / normaliser[lane]);
        scale[lane] = std::isnormal(inverse) ? inverse : 0.0f;
        const bool is_finite = std::isfinite(everything[lane]) && std::isfinite(static_cast<float>(normaliser[lane]));
        finite |= static_cast<std::uint32_t>(is_finite) << lane;
    }
    return {bits_of(movement.changed != 0), bits_of(movement.moving), finite};
}

constexpr TrainingKernels training_kernels{gradient, classify, accumulate, step};
