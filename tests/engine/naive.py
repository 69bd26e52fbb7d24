"""A second, naive implementation of a group: one sample at a time, plain Python numbers, no arrays.

It follows the definitions (the docstrings of ewad.numeric and ewad.engine), not the code: weights and
values of all samples are kept and summed anew each time.
"""

import math
from itertools import accumulate

from ewad.numeric.averages import ByCount, Held
from ewad.numeric.optimizers import Adam, GradientDescent, Momentum, RMSprop

NAN = math.nan


class NaiveAverage:
    """sum of w * x / sum of w, and the unbiased weighted deviation around it."""

    def __init__(self, decay):
        self.decay, self.weights, self.values = decay, [], []

    def add(self, elapsed, value):
        """Return mean and standard deviation after the sample."""
        decay = self.decay
        left = decay.beta if isinstance(decay, ByCount) else 0.5 ** (elapsed / decay.half_life_seconds)
        self.weights = [w * left for w in self.weights] + [1.0]
        self.values.append(value)
        total = math.fsum(self.weights)
        mean = math.fsum(w * x for w, x in zip(self.weights, self.values, strict=True)) / total
        scatter = math.fsum(w * (x - mean) ** 2 for w, x in zip(self.weights, self.values, strict=True))
        older = [0.0, *accumulate(self.weights)]
        pairs = math.fsum(2.0 * w * past for w, past in zip(self.weights, older, strict=False))
        return mean, math.sqrt(scatter * total / pairs) if pairs > 0.0 else NAN  # pairs: W**2 - sum of w**2


class NaiveHeld:
    """sum of w * x / sum of w over the times for which values stood, and the deviation around it."""

    def __init__(self, decay):
        self.half_life, self.weights, self.values = decay.half_life_seconds, [], []

    def add(self, elapsed, value):
        """Return mean and standard deviation when the sample comes, which stands from then on."""
        left = 0.5 ** (elapsed / self.half_life)
        stood = [-math.expm1(-elapsed / self.half_life * math.log(2.0))] if self.values else []
        self.weights = [w * left for w in self.weights] + stood
        held = list(zip(self.weights, self.values, strict=True))
        self.values.append(value)
        total = math.fsum(self.weights)
        if total == 0.0:
            return value, NAN
        mean = math.fsum(w * x for w, x in held) / total
        return mean, math.sqrt(math.fsum(w * (x - mean) ** 2 for w, x in held) / total)


class NaiveOptimizer:
    """The four update rules, number by number."""

    def __init__(self, constants, n):
        self.c, self.v, self.s, self.t = constants, [0.0] * n, [0.0] * n, 0

    def step(self, theta, gradient, rate):
        self.t += 1
        return [self._one(i, x, g, rate) for i, (x, g) in enumerate(zip(theta, gradient, strict=True))]

    def _one(self, i, x, g, rate):
        c = self.c
        if isinstance(c, GradientDescent):
            return x - rate * g
        if isinstance(c, Momentum):
            self.v[i] = c.beta1 * self.v[i] + ((1 - c.beta1) if c.averaged else 1.0) * g
            return x - rate * self.v[i]
        self.s[i] = c.beta2 * self.s[i] + (1 - c.beta2) * g**2
        if isinstance(c, RMSprop):
            return x - rate * g / (math.sqrt(self.s[i]) + c.epsilon)
        assert isinstance(c, Adam)
        self.v[i] = c.beta1 * self.v[i] + (1 - c.beta1) * g
        first = self.v[i] / (1 - c.beta1**self.t)
        second = self.s[i] / (1 - c.beta2**self.t)
        return x - rate * (first / (math.sqrt(second) + c.epsilon) + c.weight_decay * x)


class NaiveModel:
    """A linear model: weights[x][y] and biases[y], trained in mini-batches of whole examples."""

    def __init__(self, model):
        self.model, self.n_y = model, len(model.horizons)
        self.theta = [0.0] * ((model.lags + 1) * self.n_y)
        self.optimizer = NaiveOptimizer(model.optimizer, len(self.theta))
        self.examples, self.costs, self.gradient_norm = [], [], NAN

    @property
    def learning_rate(self):
        steps = len(self.costs)
        rate = self.model.schedule.rate(
            self.model.learning_rate, steps // self.model.batches_per_epoch, steps
        )
        return float(rate)

    @property
    def loss(self):
        """The bias-corrected average, at 0.9, of the costs of the mini-batches."""
        weights = [0.9 ** (len(self.costs) - 1 - i) for i in range(len(self.costs))]
        return sum(w * c for w, c in zip(weights, self.costs, strict=True)) / sum(weights) if weights else NAN

    def predict(self, x):
        bias = self.theta[len(x) * self.n_y :]
        return [
            sum(x[i] * self.theta[i * self.n_y + h] for i in range(len(x))) + bias[h] for h in range(self.n_y)
        ]

    def learn(self, x, y):
        self.examples.append((x, y))
        if len(self.examples) == self.model.batch_size:
            self._step()
            self.examples = []

    def _step(self):
        m, n_x, l2 = len(self.examples), self.model.lags, self.model.l2
        weights = self.theta[: n_x * self.n_y]
        cost = l2 / (2 * m) * sum(w * w for w in weights)
        gradient = [l2 / m * w for w in weights] + [0.0] * self.n_y
        for x, y in self.examples:  # J = mean squared error over examples and outputs + l2 / (2 m) * |W|**2
            errors = [p - t for p, t in zip(self.predict(x), y, strict=True)]
            cost += sum(e * e for e in errors) / (m * self.n_y)
            for h, e in enumerate(errors):
                for i in range(n_x):
                    gradient[i * self.n_y + h] += 2 * e * x[i] / (m * self.n_y)
                gradient[n_x * self.n_y + h] += 2 * e / (m * self.n_y)
        self.theta = self.optimizer.step(self.theta, gradient, self.learning_rate)
        self.gradient_norm = math.sqrt(sum(g * g for g in gradient))
        self.costs.append(cost)


class NaiveStream:
    """All samples of a stream, and every forecast ever made for it."""

    def __init__(self, settings):
        self.averages = [
            (NaiveHeld if isinstance(each, Held) else NaiveAverage)(each) for each in settings.decays
        ]
        self.times, self.values, self.forecasts = [], [], []
        self.steady, self.expected, self.streak = [], NAN, 0
        self.recent, self.stayed, self.returned = 0.0, 0, 0
        self.start = 0  # the sample at which the window began
        self.restarts = set()
        self.moves = []  # as they count for the scale
        self.open = None  # with a grid: number, samples and whether a gap lies before it
        self.forecast = [NAN] * len(settings.model.horizons) if settings.model else []
        self.scored = [[] for _ in settings.model.horizons] if settings.model else []

    def believe(self):
        """Keep what is believed of the newest value: beyond 20 scales, only what the next one confirms."""
        now, value = len(self.values) - 1, self.values[-1]
        continues = now and now not in self.restarts
        change = value - self.steady[-1] if continues else 0.0
        wild = self.moved() and abs(change) > 20.0 * max(self.scale(), math.sqrt(self.recent))
        self.streak = self.streak + 1 if wild else 0
        confirmed = doubted = False
        if continues:
            doubted = self.values[-2] != self.steady[-1]
            confirmed = doubted and abs(value - self.values[-2]) < abs(change)
            limit = 7.0 * self.scale() * 2.0 ** max(0, self.streak - 2) if wild else math.inf
            self.moves.append(min(abs(change), limit))
            self.measure_anew()
        self.stayed += confirmed
        self.returned += doubted and not confirmed and not wild
        self.steady.append(self.steady[-1] if wild and not confirmed else value)
        trust = (self.stayed + 1.0) / (self.stayed + self.returned + 1.0)
        self.expected = self.steady[-1] + trust * (value - self.steady[-1])

    def measure_anew(self):
        """Forget all moves but the last one, if those of late are below a twentieth of the scale."""
        if self.moves[-1] == 0.0:
            return
        self.recent = 0.9 * self.recent + 0.1 * self.moves[-1] ** 2
        if self.recent < (self.scale() / 20.0) ** 2:
            del self.moves[:-1]

    def moved(self):
        return any(move != 0.0 for move in self.moves)

    def scale(self):
        """The root mean square of the differences, at 0.9999; 1 where it is zero."""
        differences = self.moves
        weights = [0.9999 ** (len(differences) - 1 - i) for i in range(len(differences))]
        square = sum(w * d * d for w, d in zip(weights, differences, strict=True))
        return math.sqrt(square / sum(weights)) if square > 0 else 1.0

    def features(self, end, lags, scale):
        """The `lags` differences up to and with sample `end`, oldest first, none beyond 4 scales."""
        steps = [(self.steady[i] - self.steady[i - 1]) / scale for i in range(end - lags + 1, end + 1)]
        return [min(max(step, -4.0), 4.0) for step in steps]

    def targets(self, origin, horizons, scale):
        """The changes from sample `origin`, none beyond 5 scales times the root of its horizon."""
        changes = [(self.steady[origin + h] - self.steady[origin]) / scale for h in horizons]
        limits = [5.0 * math.sqrt(h) for h in horizons]
        return [min(max(change, -limit), limit) for change, limit in zip(changes, limits, strict=True)]

    def skill(self):
        """1 - MSE / MSE of persistence for each horizon, both exponentially weighted at 0.995."""
        ratios = []
        for pairs in self.scored:
            weights = [0.995 ** (len(pairs) - 1 - i) for i in range(len(pairs))]
            error = sum(w * e * e for w, (e, _) in zip(weights, pairs, strict=True))
            change = sum(w * c * c for w, (_, c) in zip(weights, pairs, strict=True))
            ratios.append(1 - error / change if change > 0 else NAN)
        return ratios


class NaiveGroup:
    """What Engine does for one group."""

    def __init__(self, settings, n_streams):
        self.settings = settings
        self.streams = [NaiveStream(settings) for _ in range(n_streams)]
        model = settings.model
        n_models = 0 if model is None else 1 if model.share == "group" else n_streams
        self.models = [NaiveModel(model) for _ in range(n_models)]
        self.dropped = 0

    def observe(self, row, time, value):
        """Return None for a sample dropped, else mean, stddev, forecast, loss and learning rate after it."""
        stream = self.streams[row]
        if stream.times and time < stream.times[-1]:
            if self.settings.out_of_order == "drop":
                self.dropped += 1
                return None
            time = stream.times[-1]  # accepted as if it came with the newest
        elapsed = time - stream.times[-1] if stream.times else 0.0
        stream.times.append(time)
        averages = [average.add(elapsed, value) for average in stream.averages]
        means, stddevs = [mean for mean, _ in averages], [stddev for _, stddev in averages]
        if not self.models:
            return means, stddevs
        model = self.models[row if len(self.models) > 1 else 0]
        for interval, restart in self._seen(stream, time, elapsed, value):
            if restart:
                stream.start = len(stream.values)
                stream.restarts.add(stream.start)
            stream.values.append(interval)
            stream.believe()
            stream.forecast = self._forecast(stream, model)
        forecast = [NAN] * len(stream.forecast) if stream.open and stream.open[2] else stream.forecast
        return means, stddevs, forecast, model.loss, model.learning_rate

    def _seen(self, stream, time, elapsed, value):
        """Yield what the model sees: the sample, or on a grid the intervals that it closes; and whether
        a gap lies before."""
        model = self.settings.model
        if model.every_seconds is None:
            yield value, elapsed > (model.max_gap_seconds or math.inf)
            return
        max_gap = model.max_gap_seconds or model.lags * model.every_seconds
        number = math.floor(time / model.every_seconds)
        if stream.open is None:
            stream.open = number, [], False
        old, samples, restart = stream.open
        if number == old:
            samples.append(value)
            return
        closed = samples[-1] if model.resample == "last" else math.fsum(samples) / len(samples)
        yield closed, restart
        gap = (number - old - 1) * model.every_seconds > max_gap
        for _ in range(0 if gap else number - old - 1):
            yield closed, False
        stream.open = number, [value], gap

    def _forecast(self, stream, model):
        """Score the forecasts made for this sample, learn from it, forecast what comes after."""
        lags, horizons = self.settings.model.lags, self.settings.model.horizons
        now, scale = len(stream.values) - 1, stream.scale()
        value, origin = stream.values[now], now - max(horizons)
        for i, h in enumerate(horizons):
            if now - h >= stream.start + lags:
                error, change = stream.forecasts[now - h][i] - value, stream.values[now - h] - value
                stream.scored[i].append((error, change))
        if origin >= stream.start + lags:
            model.learn(stream.features(origin, lags, scale), stream.targets(origin, horizons, scale))
        forecast = [NAN] * len(horizons)
        if now >= stream.start + lags:
            changes = model.predict(stream.features(now, lags, scale))
            forecast = [stream.expected + scale * y for y in changes]
        stream.forecasts.append(forecast)
        return forecast
