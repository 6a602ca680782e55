/* The shim's entry point: shim_main(the kernel's initial stack), psABI 3.4.1 and its aarch64 kin. */
	.text
	.globl _start
	.type _start, %function
_start:
#if defined(__x86_64__)
	xorl %ebp, %ebp
	movq %rsp, %rdi
	andq $-16, %rsp
	call shim_main
	hlt
#elif defined(__aarch64__)
	mov x29, #0
	mov x30, #0
	mov x0, sp
	and sp, x0, #-16
	bl shim_main
	brk #1
#endif
	.size _start, . - _start
	.section .note.GNU-stack,"",%progbits
