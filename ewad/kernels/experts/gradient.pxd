from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport algebra, memory
from ewad.kernels.examples cimport ExamplesKernel
from ewad.kernels.experts.base cimport Expert
from ewad.kernels.optimizers cimport OptimizerKernel
from ewad.kernels.plateau cimport PlateauKernel
from ewad.kernels.sample cimport Sample
from ewad.kernels.schedules cimport ScheduleKernel

cdef double INF, LOSS_BETA, COST_LIMIT

cdef class GradientExpert(Expert):
    cdef Py_ssize_t start, n_outputs, n_horizons, n, batch_size, batches_per_epoch
    cdef int sums
    cdef object arrays, unfinished
    cdef ExamplesKernel examples
    cdef OptimizerKernel optimizer
    cdef ScheduleKernel schedule
    cdef PlateauKernel detector
    cdef double learning_rate, l2, max_norm, n_errors
    cdef double* initial
    cdef double* penalised
    cdef double* theta
    cdef double* gradient
    cdef double* squares
    cdef int64_t* collected
    cdef int64_t* batches
    cdef int64_t* diverged
    cdef double* batch_loss
    cdef double* gradient_norm
    cdef double* loss_sum
    cdef double* loss_weight
    cdef memory.boolean* plateau
    cdef int64_t* plateaus
    cdef double* epoch_cost
    cdef double* epoch_norm
    cdef void predict(
        self, Py_ssize_t row, double* x, Py_ssize_t x_at, double* out, Py_ssize_t at,
    ) noexcept nogil
    cdef double descend(
        self, Py_ssize_t row, double* x, Py_ssize_t x_at, double* y, Py_ssize_t y_at, Py_ssize_t g,
    ) noexcept nogil
    cdef double rate(self, Py_ssize_t row) noexcept nogil
    cdef double loss(self, Py_ssize_t row) noexcept nogil
    cdef void step(self, Py_ssize_t row) noexcept nogil
    cdef double penalise(self, Py_ssize_t o, Py_ssize_t g) noexcept nogil
    cdef void start_anew(self, Py_ssize_t row) noexcept nogil
    cdef void note(self, Py_ssize_t row, double cost, double norm, double good) noexcept nogil
    cdef void end_epoch(self, Py_ssize_t row) noexcept nogil
