cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport algebra, memory
from ewad.kernels.examples cimport ExamplesKernel
from ewad.kernels.experts.base cimport Expert
from ewad.kernels.sample cimport Sample

cdef double AT_BOUND

@cython.final
cdef class RecursiveKernel(Expert):
    cdef Py_ssize_t start, n, n_y, n_covariance
    cdef double variance, forgetting
    cdef object arrays
    cdef ExamplesKernel examples
    cdef double* x
    cdef double* px
    cdef double* errors
    cdef double* theta
    cdef double* covariance
    cdef int64_t* diverged
    cdef void learn_block(self, Py_ssize_t row) noexcept nogil
    cdef void learn_one(self, Py_ssize_t row, Py_ssize_t place, double keep) noexcept nogil
    cdef double trace(self, Py_ssize_t row) noexcept nogil
    cdef void start_anew(self, Py_ssize_t row) noexcept nogil
