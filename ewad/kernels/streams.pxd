cimport cython
from libc.stdint cimport int32_t, int64_t
from ewad.kernels cimport memory
from ewad.kernels.anomaly cimport AnomalyKernel
from ewad.kernels.averages cimport AverageKernel
from ewad.kernels.forecaster cimport ForecasterKernel
from ewad.kernels.stuck cimport StuckKernel

cdef double VALUE_LIMIT, NAN
cdef Py_ssize_t RELEASED, COLUMNS, UNKNOWN_ROW, IMPOSSIBLE

@cython.final
cdef class StreamsKernel:
    cdef AverageKernel first
    cdef int drops, forecasts, has_points
    cdef int32_t* origin
    cdef ForecasterKernel forecaster
    cdef AnomalyKernel anomaly
    cdef StuckKernel stuck
    cdef Py_ssize_t behind
    cdef readonly Py_ssize_t dropped
    cdef int64_t* count
    cdef double* time
    cdef double* seen
    cdef double* value
    cdef int32_t* stream
    cdef double* times
    cdef double* values
    cdef int64_t* accepted
    cdef double* out
    cdef Py_ssize_t width
    cpdef Py_ssize_t observe(
        self, object stream, object time, object value, object origin, double arrival, Py_ssize_t n_streams, object accepted,
        object out, Py_ssize_t width,
    ) except? -1
    cdef int check(self, Py_ssize_t n, Py_ssize_t n_streams) noexcept nogil
    cdef Py_ssize_t most_origin(self) noexcept nogil
    cdef Py_ssize_t take_all(self, Py_ssize_t n, double arrival) noexcept nogil
    cdef int take(self, Py_ssize_t row, double time, double x, double arrival, Py_ssize_t at) noexcept nogil
