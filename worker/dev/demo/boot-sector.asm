; The demo console's whole guest: one boot sector that turns each key into a colour.
;
; It switches the display to 640x480 with 32 bits a pixel (VBE linear frame buffer), enters 32-bit
; protected mode, paints the screen in IDLE_COLOUR and sleeps. Each key press (make code) paints the
; whole screen in 00SSCCcc: SS = the key's set-1 scancode, CC = number of presses so far (mod 256),
; cc = ~CC. So whoever looks at one pixel knows which key was the last one and how many there were.
; Key releases, and the 0xE0 prefix of extended keys, have bit 7 set and paint nothing.
;
; boot-sector.ts holds the assembled bytes, so that no machine needs an assembler; after a change
; here replace them with the output of:
;   nasm -f bin boot-sector.asm -o boot-sector.img && base64 -w 88 boot-sector.img

WIDTH           equ 640
HEIGHT          equ 480
BITS_PER_PIXEL  equ 32
IDLE_COLOUR     equ 0x00203040

ORIGIN          equ 0x7c00
VBE_INFO        equ 0x1000          ; VbeInfoBlock, 512 bytes
MODE_INFO       equ 0x1200          ; ModeInfoBlock, 256 bytes
IDT             equ 0x2000          ; the BIOS leaves IRQ 0..7 on vectors 8..15
CODE_SELECTOR   equ 0x08
DATA_SELECTOR   equ 0x10
INTERRUPT_GATE  equ 0x8e00          ; present, ring 0, 32-bit interrupt gate

PIC_COMMAND     equ 0x20
PIC_MASK        equ 0x21
END_OF_IRQ      equ 0x20
KEYBOARD_DATA   equ 0x60
KEYBOARD_COMMAND equ 0x64

[org ORIGIN]
[bits 16]

start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, ORIGIN

; Walk the adapter's mode list for the one that fits: numbers differ between adapters.
    mov di, VBE_INFO
    mov dword [di], 'VBE2'
    mov ax, 0x4f00
    int 0x10
    cmp ax, 0x004f
    jne fail
    lfs si, [VBE_INFO + 14]         ; far pointer to the list
next_mode:
    mov cx, [fs:si]
    add si, 2
    cmp cx, 0xffff                  ; end of the list
    je fail
    mov di, MODE_INFO
    mov ax, 0x4f01
    push cx
    int 0x10
    pop cx
    cmp ax, 0x004f
    jne next_mode
    test byte [MODE_INFO], 0x80     ; has a linear frame buffer
    jz next_mode
    cmp word [MODE_INFO + 18], WIDTH
    jne next_mode
    cmp word [MODE_INFO + 20], HEIGHT
    jne next_mode
    cmp byte [MODE_INFO + 25], BITS_PER_PIXEL
    jne next_mode
    mov bx, cx
    or bx, 0x4000                   ; use the linear frame buffer
    mov ax, 0x4f02
    int 0x10
    cmp ax, 0x004f
    jne fail

    in al, 0x92                     ; fast A20 gate
    or al, 2
    out 0x92, al
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp CODE_SELECTOR:protected_mode

fail:                               ; a lone X on the text screen says that no mode fits
    mov ax, 0x0e00 + 'X'
    int 0x10
halt:
    hlt
    jmp halt

[bits 32]
protected_mode:
    mov ax, DATA_SELECTOR
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, ORIGIN
    mov ebx, [MODE_INFO + 40]       ; ebx = frame buffer, for good
    movzx ebp, word [MODE_INFO + 16] ; ebp = bytes a row, for good
    xor esi, esi                    ; esi = number of key presses, for good

    mov edi, IDT + 9 * 8            ; IRQ 1 is the keyboard; no other one is let through
    mov eax, (CODE_SELECTOR << 16) + ORIGIN + (on_key - start)
    stosd
    mov eax, INTERRUPT_GATE
    stosd
    lidt [idt_pointer]
    mov al, 0xae                    ; make sure that the keyboard interface is on
    out KEYBOARD_COMMAND, al
    mov al, 0xfd
    out PIC_MASK, al

    mov eax, IDLE_COLOUR
    call paint
    sti
sleep:
    hlt
    jmp sleep

on_key:
    push eax
    push edx
    in al, KEYBOARD_DATA
    test al, 0x80
    jnz .done
    inc esi
    movzx eax, al
    shl eax, 16
    mov edx, esi
    mov ah, dl
    not dl
    mov al, dl
    call paint
.done:
    mov al, END_OF_IRQ
    out PIC_COMMAND, al
    pop edx
    pop eax
    iret

; Paints the whole screen in the colour in eax. Leaves every register as it was.
paint:
    push ecx
    push edi
    mov edi, ebx
    mov ecx, HEIGHT
.row:
    push ecx
    push edi
    mov ecx, WIDTH
    rep stosd
    pop edi
    add edi, ebp
    pop ecx
    loop .row
    pop edi
    pop ecx
    ret

gdt_pointer:
    dw 3 * 8 - 1
    dd gdt
gdt:
    dq 0
    dq 0x00cf9a000000ffff           ; flat code
    dq 0x00cf92000000ffff           ; flat data
idt_pointer:
    dw 16 * 8 - 1
    dd IDT

times 510 - ($ - $$) db 0
dw 0xaa55
